//! Imports between files: paths in code, followed through the re-exports of module files.
//!
//! A file depends on the file that defines what it names. A module file (`mod.rs`, `lib.rs`) only hands names on.

use std::collections::BTreeMap;

use crate::source::{Source, blank, is_part_of_word, word};

/// Re-exports that lead to each other do not end; no honest chain is this long.
const LONGEST_CHAIN: usize = 20;
/// This crate, from within and as tests and `main` name it.
const CRATE: [&str; 2] = ["crate", "kafka_heartbeat"];

/// A file names something of another one.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// Places in the list of sources.
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) line: usize,
    /// The path as it is written.
    pub(crate) path: String,
}

/// A name that a `use` brings into a file.
#[derive(Debug, Clone, PartialEq)]
struct Used {
    path: Vec<String>,
    /// `*` for a glob.
    name: String,
    at: usize,
}

/// Every import between files, tests left out.
pub(crate) fn imports(sources: &[Source]) -> Vec<Import> {
    let modules = Modules::of(sources);
    let mut imports = Vec::new();
    for (from, source) in sources.iter().enumerate().filter(|(_, source)| !source.is_test()) {
        let module = module(&source.path);
        let uses = &modules.uses[from];
        let paths = uses.iter().map(|used| (used.path.clone(), used.at)).chain(mentions(&source.code, uses));
        for (path, at) in paths {
            if let Some(to) = modules.resolve(&module, &path, 0).filter(|to| *to != from) {
                imports.push(Import { from, to, line: source.line(at), path: path.join("::") });
            }
        }
    }
    imports
}

/// The modules of a crate, and what each brings into scope.
struct Modules<'a> {
    sources: &'a [Source],
    files: BTreeMap<Vec<String>, usize>,
    uses: Vec<Vec<Used>>,
}

impl<'a> Modules<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let files = sources.iter().enumerate().map(|(at, source)| (module(&source.path), at)).collect();
        let uses = sources.iter().map(|source| uses(&source.code)).collect();
        Self { sources, files, uses }
    }

    /// The file that defines what a path names, seen from a module; `None` if it is not of this crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<usize> {
        let mut module = from.to_vec();
        let mut rest = path;
        if CRATE.contains(&rest.first()?.as_str()) {
            module.clear();
            rest = &rest[1..];
        } else if rest[0] == "self" {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|first| first == "super") {
            module.pop()?;
            rest = &rest[1..];
        }
        self.walk(module, rest, depth)
    }

    fn walk(&self, mut module: Vec<String>, mut rest: &[String], depth: usize) -> Option<usize> {
        while let Some(first) = rest.first() {
            module.push(first.clone());
            if !self.files.contains_key(&module) {
                module.pop();
                break;
            }
            rest = &rest[1..];
        }
        let file = *self.files.get(&module)?;
        let Some(name) = rest.first() else { return Some(file) };
        if !is_module_file(&self.sources[file].path) || depth > LONGEST_CHAIN {
            return Some(file);
        }
        if let Some(used) = self.uses[file].iter().find(|used| used.name == *name) {
            let path: Vec<_> = used.path.iter().chain(&rest[1..]).cloned().collect();
            return self.resolve(&module, &path, depth + 1);
        }
        let globs = self.uses[file].iter().filter(|used| used.name == "*");
        let mut targets = globs.filter_map(|glob| self.resolve(&module, &glob.path, depth + 1));
        targets.find(|target| defines(&self.sources[*target].code, name)).or(Some(file))
    }
}

/// Whether a file only hands names on: no node among the files of its folder.
pub(crate) fn is_module_file(path: &str) -> bool {
    path == "lib.rs" || path == "main.rs" || path.ends_with("mod.rs")
}

/// The path of the module that a file is.
fn module(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn defines(code: &str, name: &str) -> bool {
    ["struct", "enum", "trait", "type", "fn", "const", "static"].iter().any(|kind| {
        let item = format!("{kind} {name}");
        code.match_indices(&item).any(|(at, item)| !code[at + item.len()..].starts_with(is_part_of_word))
    })
}

/// The names that the `use` items of a file bring into scope.
fn uses(code: &str) -> Vec<Used> {
    let mut found = Vec::new();
    for (at, tree) in items(code) {
        flatten(&[], tree, at, &mut found);
    }
    found
}

/// Every `use` item: its place, and the tree between the word and the semicolon.
fn items(code: &str) -> Vec<(usize, &str)> {
    let starts = code.match_indices("use ").filter(|(at, _)| !code[..*at].ends_with(is_part_of_word));
    starts.filter_map(|(at, _)| Some((at, code[at + 4..].split_once(';')?.0))).collect()
}

fn flatten(prefix: &[String], tree: &str, at: usize, found: &mut Vec<Used>) {
    let mut path = prefix.to_vec();
    let mut rest = tree.trim();
    loop {
        rest = rest.trim_start_matches("::").trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let inner = group.strip_suffix('}').unwrap_or(group);
            split(inner).for_each(|tree| flatten(&path, tree, at, found));
            return;
        }
        let name = if rest.starts_with('*') { "*" } else { word(rest) };
        if name.is_empty() {
            return;
        }
        rest = rest[name.len()..].trim_start();
        if rest.starts_with("::") {
            path.push(name.to_owned());
            continue;
        }
        if name != "*" && (name != "self" || path.is_empty()) {
            path.push(name.to_owned());
        }
        let alias = rest.strip_prefix("as ").map(str::trim);
        let last = if name == "*" { "*" } else { path.last().map_or("", String::as_str) };
        let name = alias.unwrap_or(last).to_owned();
        found.push(Used { path, name, at });
        return;
    }
}

/// The trees of a brace group.
fn split(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    group.split(move |c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
}

/// Paths in code outside `use` items, those that begin with a name in scope written out.
fn mentions(code: &str, uses: &[Used]) -> Vec<(Vec<String>, usize)> {
    let mut rest = code.to_owned();
    for (at, tree) in items(code) {
        rest = blank(&rest, at..at + 4 + tree.len());
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = rest[at..].find(is_part_of_word) {
        let begin = at + start;
        let path = path(&rest[begin..]);
        at = begin + path.iter().map(|name| name.len() + 2).sum::<usize>() - 2;
        if path.len() < 2 || rest[..begin].ends_with('.') || rest[..begin].ends_with("::") {
            continue;
        }
        let first = path[0].as_str();
        if CRATE.contains(&first) || first == "self" || first == "super" {
            found.push((path, begin));
        } else if let Some(used) = uses.iter().find(|used| used.name == first) {
            found.push((used.path.iter().chain(&path[1..]).cloned().collect(), begin));
        }
    }
    found
}

/// The path at the start of a text, at least one word.
fn path(text: &str) -> Vec<String> {
    let mut names = vec![word(text).to_owned()];
    let mut rest = &text[names[0].len()..];
    while let Some(after) = rest.strip_prefix("::") {
        let name = word(after);
        if name.is_empty() {
            break;
        }
        names.push(name.to_owned());
        rest = &after[name.len()..];
    }
    names
}
