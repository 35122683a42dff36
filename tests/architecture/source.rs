//! A source file, and its code without comments, literals and tests.
//!
//! The text is read, not compiled. Whatever is left out becomes spaces, so that places and line numbers stay.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

const TEST: &str = "#[cfg(test)]";
/// Items that end with a semicolon, even where braces come before it.
const WITH_SEMICOLON: [&str; 5] = ["use", "const", "static", "type", "extern"];

/// A file below `src`.
pub(crate) struct Source {
    /// Its path below `src`, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with spaces for comments, literals and tests.
    pub(crate) code: String,
    /// The number of lines that belong to no test.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut code = without_comments_and_literals(text);
        let tests = tests(&code);
        let mut lines = if is_test(path) { 0 } else { text.lines().count() };
        for test in tests {
            lines = lines.saturating_sub(code[test.clone()].matches('\n').count() + 1);
            code = blank(&code, test);
        }
        Self { path: path.to_owned(), text: text.to_owned(), code, lines }
    }

    /// Whether the whole file is a test.
    pub(crate) fn is_test(&self) -> bool {
        is_test(&self.path)
    }

    /// The number of the line at a place in the code, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The first folder or file on the way from `src`.
    pub(crate) fn module(&self) -> &str {
        word(&self.path)
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

/// Every Rust file below a folder.
pub(crate) fn read(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    collect(root, root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The folder of this project's sources.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it was found in there").display().to_string();
            found.push(Source::new(&name, &fs::read_to_string(&path).expect("a source can be read")));
        }
    }
}

/// The word that a text begins with; empty if it begins with something else.
pub(crate) fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !is_part_of_word(c)).unwrap_or(text.len())]
}

pub(crate) fn is_part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The end of the block that begins with the bracket at `open`; the end of the code where it is never closed.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// The code with spaces in a range; ends of lines stay.
pub(crate) fn blank(code: &str, range: Range<usize>) -> String {
    let spaces = code[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' });
    format!("{}{}{}", &code[..range.start], spaces.collect::<String>(), &code[range.end..])
}

fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let follows_word = text[..at].ends_with(is_part_of_word);
        let length = comment(rest).or_else(|| string(rest, follows_word)).or_else(|| character(rest));
        if let Some(length) = length {
            code.extend(rest[..length].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            at += length;
        } else {
            let c = rest.chars().next().expect("the rest is not empty");
            code.push(c);
            at += c.len_utf8();
        }
    }
    code
}

/// The length of a comment at the start of a text.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*").then_some(())?;
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// The length of a string at the start of a text, raw ones included.
fn string(text: &str, follows_word: bool) -> Option<usize> {
    let unprefixed = text.strip_prefix('r').or_else(|| text.strip_prefix("br"));
    if let Some(raw) = unprefixed.filter(|_| !follows_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = text.len() - raw.len() + hashes + 1;
            return Some(text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len()));
        }
    }
    text.starts_with('"').then_some(())?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == '"' && !escaped {
            return Some(at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    Some(text.len())
}

/// The length of a character literal at the start of a text. A lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return Some(escape[first..].find('\'')? + first + 3);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(length + 2)
}

/// The places of items that exist in tests alone.
fn tests(code: &str) -> Vec<Range<usize>> {
    let mut tests = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find(TEST) {
        let begin = from + at;
        let end = end_of_item(code, begin);
        tests.push(begin..end);
        from = end;
    }
    tests
}

/// The end of the item that begins, with its attributes, at a place.
fn end_of_item(code: &str, begin: usize) -> usize {
    let mut at = begin;
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if !code[at..].starts_with("#[") {
            break;
        }
        at = closing(code, at + 1);
    }
    let mut kind = word(&code[at..]);
    if kind == "pub" {
        let rest = code[at + 3..].trim_start();
        let rest =
            rest.strip_prefix('(').map_or(rest, |inner| inner.split_once(')').map_or("", |(_, rest)| rest));
        kind = word(rest.trim_start());
    }
    let ends_with_semicolon = WITH_SEMICOLON.contains(&kind);
    while at < code.len() {
        match code.as_bytes()[at] {
            b';' => return at + 1,
            b'{' if !ends_with_semicolon => return closing(code, at),
            b'{' | b'(' | b'[' => at = closing(code, at),
            _ => at += 1,
        }
    }
    code.len()
}
