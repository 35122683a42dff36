//! Circles of imports among the direct children of a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    imports::{Import, imports, is_module_file},
    source::Source,
};

/// Files and folders of one folder that import each other, directly or by way of others.
pub(crate) struct Circle {
    /// The folder, from `src`.
    pub(crate) folder: String,
    pub(crate) members: Vec<String>,
    /// Of each import between two members one example: from, to, place.
    examples: Vec<(String, String, String)>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, members) = (&self.folder, self.members.join(", "));
        write!(f, "{folder}: a circle of {} members: {members}", self.members.len())?;
        for (from, to, place) in &self.examples {
            write!(f, "\n    {from} -> {to}: {place}")?;
        }
        Ok(())
    }
}

/// Imports between the children of a folder, with an example of each.
type Edges = BTreeMap<(String, String), String>;

/// Every circle, by folder.
pub(crate) fn circles(sources: &[Source]) -> Vec<Circle> {
    let mut folders: BTreeMap<String, Edges> = BTreeMap::new();
    for import in imports(sources) {
        let (from, to) = (&sources[import.from].path, &sources[import.to].path);
        if let Some((folder, edge)) = edge(from, to) {
            let Import { line, path, .. } = import;
            let example = || format!("{from}:{line} names {path}");
            folders.entry(folder).or_default().entry(edge).or_insert_with(example);
        }
    }
    folders.iter().flat_map(|(folder, edges)| of_folder(folder, edges)).collect()
}

/// The deepest folder that both files lie in, and its children that hold them; `None` if a module file of the folder
/// itself takes part.
fn edge(from: &str, to: &str) -> Option<(String, (String, String))> {
    let (from, to): (Vec<_>, Vec<_>) = (from.split('/').collect(), to.split('/').collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let folder = [&["src"], &from[..common]].concat().join("/");
    let (from, to) = (from.get(common)?, to.get(common)?);
    if is_module_file(from) || is_module_file(to) {
        return None;
    }
    let name = |child: &str| child.trim_end_matches(".rs").to_owned();
    (name(from) != name(to)).then(|| (folder, (name(from), name(to))))
}

fn of_folder(folder: &str, edges: &Edges) -> Vec<Circle> {
    let nodes: BTreeSet<&String> = edges.keys().flat_map(|(from, to)| [from, to]).collect();
    let reached: BTreeMap<_, _> = nodes.iter().map(|node| (*node, reached(node, edges))).collect();
    let mut circles = Vec::new();
    let mut placed = BTreeSet::new();
    for node in &nodes {
        let members: Vec<_> =
            reached[node].iter().filter(|other| reached[*other].contains(*node)).cloned().collect();
        if members.len() < 2 || !placed.insert(members.clone()) {
            continue;
        }
        let inner = edges.iter().filter(|((from, to), _)| members.contains(from) && members.contains(to));
        let examples = inner.map(|((from, to), place)| (from.clone(), to.clone(), place.clone())).collect();
        circles.push(Circle { folder: folder.to_owned(), members, examples });
    }
    circles
}

/// Every node that a walk along the imports comes to.
fn reached(from: &str, edges: &Edges) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(node) = open.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| *from == node) {
            if reached.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    reached
}
