//! The length of functions, from the signature to the closing brace.

use crate::source::{Source, closing, is_part_of_word, word};

pub(crate) struct Function {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// Every function with a body, outside tests.
pub(crate) fn functions(source: &Source) -> Vec<Function> {
    let code = &source.code;
    let mut found = Vec::new();
    if source.is_test() {
        return found;
    }
    for (at, _) in code.match_indices("fn ") {
        let name = word(&code[at + 3..]);
        if name.is_empty() || code[..at].ends_with(is_part_of_word) {
            continue;
        }
        let Some(open) = body(code, at) else { continue };
        let (line, last) = (source.line(at), source.line(closing(code, open) - 1));
        found.push(Function {
            path: source.path.clone(),
            name: name.to_owned(),
            line,
            lines: last - line + 1,
        });
    }
    found
}

/// The place of the brace that opens a function's body; `None` for a declaration in a trait.
fn body(code: &str, mut at: usize) -> Option<usize> {
    while at < code.len() {
        match code.as_bytes()[at] {
            b';' => return None,
            b'{' => return Some(at),
            b'(' | b'[' => at = closing(code, at),
            _ => at += 1,
        }
    }
    None
}
