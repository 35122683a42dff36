//! Figures of a folder of sources, for people: the folder tree, the circles and the longest functions.
//!
//! `cargo test --test architecture figures -- --nocapture` prints them. `FIGURES=PATH` names another folder of sources.

use std::{
    collections::BTreeMap,
    fmt::{Error, Write},
    path::PathBuf,
};

use crate::{
    circles::circles,
    functions::functions,
    source::{Source, folder, read},
};

const LONGEST: usize = 10;

#[test]
fn figures_of_the_sources_name_every_folder() {
    let sources = read(&std::env::var("FIGURES").map_or_else(|_| folder(), PathBuf::from));
    let text = figures(&sources);
    println!("{text}");
    for folder in sources.iter().filter_map(|source| source.path.rsplit_once('/')) {
        assert!(text.contains(&format!("src/{}\n", folder.0)), "{}", folder.0);
    }
}

/// The figures as a text.
pub(crate) fn figures(sources: &[Source]) -> String {
    let mut text = String::new();
    write(&mut text, sources).expect("a text can always be written");
    text
}

fn write(text: &mut String, sources: &[Source]) -> Result<(), Error> {
    writeln!(text, "lines without tests, lines, files, folder (its own subfolders included)")?;
    for (folder, [own, all, files]) in folders(sources) {
        let depth = folder.matches('/').count();
        writeln!(text, "{own:>7} {all:>7} {files:>4}  {}{folder}", "  ".repeat(depth))?;
    }
    let mut lengths: Vec<_> =
        sources.iter().filter(|source| !source.is_test()).map(|source| source.lines).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    writeln!(text, "median file: {median} lines without tests, longest: {:?}", lengths.last())?;
    let circles = circles(sources);
    let members: usize = circles.iter().map(|circle| circle.members.len()).sum();
    writeln!(text, "{} circles with {members} members", circles.len())?;
    for circle in circles {
        writeln!(text, "  {}: {}", circle.folder, circle.members.join(", "))?;
    }
    let mut functions: Vec<_> = sources.iter().flat_map(functions).collect();
    functions.sort_by_key(|function| std::cmp::Reverse(function.lines));
    writeln!(text, "the longest functions")?;
    for function in functions.iter().take(LONGEST) {
        writeln!(text, "{:>7}  {}:{} {}", function.lines, function.path, function.line, function.name)?;
    }
    Ok(())
}

/// Of each folder the lines without tests, all lines, and the files.
fn folders(sources: &[Source]) -> BTreeMap<String, [usize; 3]> {
    let mut folders: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for source in sources {
        let path = format!("src/{}", source.path);
        for (at, _) in path.match_indices('/') {
            let sums = folders.entry(path[..at].to_owned()).or_default();
            let counted = [source.lines, source.text.lines().count(), 1];
            sums.iter_mut().zip(counted).for_each(|(sum, count)| *sum += count);
        }
    }
    folders
}
