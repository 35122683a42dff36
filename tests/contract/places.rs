//! The places that a new probe changes, as docs/contributing.md lists them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::operations::{read, root};

/// An ordinary probe: all its names contain one of these.
const PROBE: [&str; 2] = ["log_dirs", "LogDirs"];

/// The most places that a new probe may change.
const MOST_PLACES: usize = 6;

/// Every file that names an ordinary probe is in one of the places of the table, and every place has such a file. Kafka's
/// requests are left out: they have these names whether a probe sends them or not.
#[test]
fn new_probe_changes_only_the_places_that_are_listed() {
    let places = places();
    assert!((1..=MOST_PLACES).contains(&places.len()), "{} places", places.len());
    let named = files_that_name_the_probe();
    for file in &named {
        let is_listed = places.iter().any(|place| holds(place, file));
        assert!(is_listed, "{} names a probe, and no place of the table is or holds it", file.display());
    }
    for place in &places {
        assert!(named.iter().any(|file| holds(place, file)), "no file of {place:?} names the probe");
    }
}

/// The linked files and folders of each row of the table.
fn places() -> Vec<Vec<PathBuf>> {
    let page = read("docs/contributing.md");
    let (_, section) = page.split_once("\n## To add a probe\n").expect("the section");
    let section = section.split("\n## ").next().expect("a split has a first part");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.split("](../").skip(1).filter_map(|link| link.split(')').next()).map(PathBuf::from))
        .map(Iterator::collect)
        .collect()
}

/// Whether a file is linked, or is the probe's own file or the list of modules in a linked folder.
fn holds(place: &[PathBuf], file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_own = name == "mod.rs" || name == format!("{}.rs", PROBE[0]);
    place.iter().any(|link| file == link || is_own && file.parent() == Some(link))
}

/// The sources and the example, relative to the repository.
fn files_that_name_the_probe() -> BTreeSet<PathBuf> {
    let (mut files, mut folders) = (vec![root().join("config.example.ini")], vec![root().join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let relative = files.iter().filter_map(|file| file.strip_prefix(root()).ok());
    let relative = relative.filter(|file| !file.starts_with("src/kafka"));
    let names = |file: &&Path| {
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        PROBE.iter().any(|name| text.contains(name))
    };
    relative.filter(names).map(Path::to_owned).collect()
}
