//! The sources keep to the architecture: layers, no circles, short functions, short files, module files that declare.
//!
//! The text of the sources is read, not their meaning: a path in code counts, in comments and tests it does not.

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/figures.rs"]
mod figures;
#[path = "architecture/functions.rs"]
mod functions;
#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/source.rs"]
mod source;

use circles::circles;
use functions::functions;
use source::{Source, closing, folder, read, word};

const MOST_LINES: usize = 400;
const MOST_LINES_OF_A_FUNCTION: usize = 60;

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn sources_are_found() {
    assert!(read(&folder()).len() > 100);
}

#[test]
fn every_file_begins_with_a_module_doc() {
    assert_none(&read(&folder()).iter().filter_map(undocumented).collect::<Vec<_>>());
}

#[test]
fn no_file_is_long_without_its_tests() {
    assert_none(&read(&folder()).iter().filter_map(long_file).collect::<Vec<_>>());
}

#[test]
fn no_function_is_long() {
    let sources = read(&folder());
    assert_none(&sources.iter().flat_map(long_functions).collect::<Vec<_>>());
}

#[test]
fn no_folder_has_a_circle_of_imports() {
    let circles = circles(&read(&folder()));
    assert_none(&circles.iter().map(ToString::to_string).collect::<Vec<_>>());
}

#[test]
fn module_files_hold_declarations_only() {
    let sources = read(&folder());
    assert_none(&sources.iter().filter_map(more_than_declarations).collect::<Vec<_>>());
}

fn undocumented(source: &Source) -> Option<String> {
    let documented = source.text.starts_with("//!");
    (!documented).then(|| format!("{}: begins without a module doc", source.path))
}

fn long_file(source: &Source) -> Option<String> {
    let Source { path, lines, .. } = source;
    let long = *lines > MOST_LINES;
    long.then(|| format!("{path}: {lines} lines without tests, {MOST_LINES} are the limit"))
}

fn long_functions(source: &Source) -> Vec<String> {
    let long = functions(source).into_iter().filter(|function| function.lines > MOST_LINES_OF_A_FUNCTION);
    long.map(|function| {
        let functions::Function { path, name, line, lines } = function;
        format!("{path}:{line}: {name} has {lines} lines, {MOST_LINES_OF_A_FUNCTION} are the limit")
    })
    .collect()
}

/// Says what a module file holds besides documentation, attributes, `mod`, `use` and `pub use`.
fn more_than_declarations(source: &Source) -> Option<String> {
    if source.path != "lib.rs" && !source.path.ends_with("mod.rs") || source.is_test() {
        return None;
    }
    let code = &source.code;
    let mut at = 0;
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        let rest = &code[at..];
        if rest.is_empty() {
            return None;
        }
        if rest.starts_with('#') {
            at = closing(code, at + rest.find('[')?);
            continue;
        }
        let item = rest.strip_prefix("pub").map_or(rest, |rest| {
            let visible = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
            visible.map_or(rest, |(_, rest)| rest).trim_start()
        });
        let declaration = item.split(';').next().unwrap_or_default();
        let declares = word(item) == "use" || word(item) == "mod" && !declaration.contains('{');
        if !declares {
            let first = rest.lines().next().unwrap_or_default();
            return Some(format!("{}:{}: no declaration: {first}", source.path, source.line(at)));
        }
        at = code.len() - item.len() + declaration.len() + 1;
    }
}

#[test]
fn file_without_a_doc_is_a_problem() {
    assert!(undocumented(&Source::new("task.rs", "use std::fmt;")).is_some());
    assert!(undocumented(&Source::new("task.rs", "//! x\nuse std::fmt;")).is_none());
}

#[test]
fn file_with_too_many_lines_is_a_problem_and_tests_do_not_count() {
    let many = "\n".repeat(MOST_LINES);
    let problem = |path: &str, text: String| long_file(&Source::new(path, &text)).is_some();
    assert!(problem("task.rs", format!("//! x\n{many}")));
    assert!(problem("task.rs", format!("#[cfg(test)]\nmod tests {{}}\n//! x\n{many}")));
    assert!(!problem("task.rs", format!("//! x\n#[cfg(test)]\nmod tests {{\n{many}}}\n")));
    assert!(!problem("probe/topic/plan/tests.rs", format!("//! x\n{many}")));
}

#[test]
fn function_with_too_many_lines_is_a_problem_and_tests_do_not_count() {
    let body = |lines| format!("fn f(\n    a: [u8; 2],\n) {{\n{}}}\n", "    // }\n".repeat(lines));
    let long = |text: String| long_functions(&Source::new("task.rs", &text)).len();
    assert_eq!(long(body(MOST_LINES_OF_A_FUNCTION - 4)), 0);
    assert_eq!(long(body(MOST_LINES_OF_A_FUNCTION - 3)), 1);
    assert_eq!(long(format!("trait T {{ fn f(); }}\nimpl T for () {{ {} }}", body(60))), 1);
    assert_eq!(long(format!("#[cfg(test)]\nmod tests {{ {} }}", body(60))), 0);
}

#[test]
fn circle_of_imports_is_found_at_any_depth_and_through_module_files() {
    let found = |files: &[(&str, &str)]| -> Vec<Vec<String>> {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        circles(&sources).into_iter().map(|circle| circle.members).collect()
    };
    let direct =
        [("a/mod.rs", "mod b; mod c;"), ("a/b.rs", "use super::c;"), ("a/c.rs", "fn f() { super::b::g() }")];
    assert_eq!(found(&direct), [["b", "c"]]);
    let reexported = [
        ("lib.rs", "pub mod a;"),
        ("a/mod.rs", "mod b; mod c; pub use {b::{B, D as E}, c::C};"),
        ("a/b.rs", "use crate::a::C;"),
        ("a/c.rs", "use super::{self as up};\nfn f() { up::E }"),
    ];
    assert_eq!(found(&reexported), [["b", "c"]]);
    let folders = [
        ("a/mod.rs", "mod b; mod c; mod d;"),
        ("a/b/mod.rs", "mod deep;"),
        ("a/b/deep.rs", "use crate::a::c::{\n    x,\n    y::Z,\n};"),
        ("a/c.rs", "use super::d;"),
        ("a/d.rs", "use super::b::deep;"),
    ];
    assert_eq!(found(&folders), [["b", "c", "d"]]);
    let glob = [
        ("a/mod.rs", "mod b; mod c; pub use c::*;"),
        ("a/b.rs", "use super::C;"),
        ("a/c.rs", "pub struct C(super::b::B);"),
    ];
    assert_eq!(found(&glob), [["b", "c"]]);
}

#[test]
fn imports_in_one_direction_comments_and_tests_are_no_circle() {
    let sources = [
        ("lib.rs", "pub mod a; pub mod z;"),
        ("a/mod.rs", "mod b; mod c;\npub use {b::B, c::C};"),
        ("a/b.rs", "use crate::a::C;\nuse std::fmt;\n// super::b\nfn f() -> &'static str { \"super::b\" }"),
        (
            "a/c.rs",
            "//! [`super::b`]\n#[cfg(test)]\nuse super::b::{B};\n#[cfg(test)]\nmod tests { use super::super::b; }",
        ),
        ("z.rs", "use crate::a::{B, b::f};"),
    ];
    let sources = sources.map(|(path, text)| Source::new(path, text));
    assert_none(&circles(&sources).iter().map(ToString::to_string).collect::<Vec<_>>());
}

#[test]
fn circle_is_reported_with_one_import_on_each_edge() {
    let sources = [("a/b.rs", "use super::c;\nuse super::c::X;"), ("a/c.rs", "\nuse super::b::Y;")];
    let sources = sources.map(|(path, text)| Source::new(path, text));
    let reports: Vec<_> = circles(&sources).iter().map(ToString::to_string).collect();
    let report = "src/a: a circle of 2 members: b, c\n    b -> c: a/b.rs:1 names super::c\n    \
                  c -> b: a/c.rs:2 names super::b::Y";
    assert_eq!(reports, [report]);
}

#[test]
fn module_file_with_logic_is_a_problem_and_declarations_are_none() {
    let wrong = [
        "//! x\nmod a;\nfn f() {}",
        "//! x\nmod a {}",
        "//! x\npub type A = u8;",
        "//! x\npub(crate) use a::{b, c};\nstruct A;",
        "//! x\nmacro_rules! m { () => {} }",
        "//! x\nmod a;\nconst A: u8 = 1;",
    ];
    for text in wrong {
        assert!(more_than_declarations(&Source::new("a/mod.rs", text)).is_some(), "{text}");
        assert!(more_than_declarations(&Source::new("a/b.rs", text)).is_none(), "{text}");
    }
    let right = "//! x\n#![deny(missing_docs)]\n\n#[cfg(feature = \"fuzzing\")]\npub mod a;\n/// A doc.\npub(crate) mod b;\n\
                 pub use self::{a::A, b::{self, B}};\nuse c::C;\n#[cfg(test)]\nmod tests { fn f() {} }\n";
    assert_eq!(more_than_declarations(&Source::new("a/mod.rs", right)), None);
    assert_eq!(more_than_declarations(&Source::new("lib.rs", right)), None);
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    let text = r###"fn a<'a>(b: &'a str) { let c = ['{', '\'', '"']; let d = r#"}"{"#; /* } /* } */ } */ "\"}"; b"}" }"###;
    let source = Source::new("a.rs", text);
    assert_eq!(source.code.len(), text.len());
    assert!(source.code.starts_with("fn a<'a>(b: &'a str) { let c = ["));
    assert_eq!(
        (source.code.matches('{').count(), source.code.matches('}').count()),
        (1, 1),
        "{}",
        source.code
    );
}

#[test]
fn figures_name_folders_circles_and_long_functions() {
    let sources = [("a/b.rs", "use super::c;\nfn long() {\n}"), ("a/c.rs", "use super::b;")];
    let text = figures::figures(&sources.map(|(path, text)| Source::new(path, text)));
    for part in
        ["4       4    2    src/a\n", "1 circles with 2 members\n  src/a: b, c\n", "2  a/b.rs:2 long\n"]
    {
        assert!(text.contains(part), "{text}");
    }
}
