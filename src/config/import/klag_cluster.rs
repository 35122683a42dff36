//! `[[clusters]]` of klag-exporter.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::labels,
    expression,
    item::{Item, Value},
    output::Output,
    variables::of_klag,
};

/// The values of each cluster, in the order of the file.
#[derive(Default)]
pub(super) struct Clusters(Vec<(String, Vec<Item>)>);

impl Clusters {
    /// Adds a value, whose path begins with `clusters` and the place in the list.
    pub(super) fn add(&mut self, item: Item) {
        let index = item.path[1].clone();
        match self.0.iter_mut().find(|(known, _)| *known == index) {
            Some((_, items)) => items.push(item),
            None => self.0.push((index, vec![item])),
        }
    }

    /// The labels that every cluster has with the same value. Here labels hold for all clusters.
    fn common_labels(&self) -> BTreeMap<String, Value> {
        let labels = |items: &[Item]| -> BTreeMap<String, Value> {
            let labels = items.iter().filter_map(|item| match item.names()[..] {
                [_, _, "labels", name] => Some((name.to_owned(), item.value.clone())),
                _ => None,
            });
            labels.collect()
        };
        let mut clusters = self.0.iter().map(|(_, items)| labels(items));
        let mut common = clusters.next().unwrap_or_default();
        for labels in clusters {
            common.retain(|name, value| labels.get(name) == Some(value));
        }
        common
    }
}

/// Where the keys of a cluster are written: in the sections for all if there is one cluster, otherwise in a section of its own.
enum Target {
    Only,
    Named(String),
}

impl Target {
    /// The section and the key that stand for a key of a section.
    fn of(&self, section: &str, key: &str) -> (String, String) {
        match self {
            Self::Only => (section.to_owned(), key.to_owned()),
            Self::Named(name) if section == "kafka" => (format!("cluster:{name}"), key.to_owned()),
            Self::Named(name) => (format!("cluster:{name}"), format!("{section}.{key}")),
        }
    }

    fn put(&self, section: &str, key: &str, value: &str, item: &Item, output: &mut Output<'_>) {
        let (section, key) = self.of(section, key);
        output.put(&section, &key, value, item);
    }

    fn has(&self, section: &str, key: &str, output: &Output<'_>) -> bool {
        let (section, key) = self.of(section, key);
        output.has(&section, &key)
    }
}

/// Writes the clusters.
pub(super) fn read(clusters: Clusters, output: &mut Output<'_>) {
    if clusters.0.is_empty() {
        output.wrong(None, "[[clusters]] is missing: name a cluster and its bootstrap_servers there");
    }
    let common = clusters.common_labels();
    let is_only = clusters.0.len() == 1;
    let mut names = BTreeSet::new();
    for (index, items) in clusters.0 {
        let Some(target) = target(&index, &items, is_only, &mut names, output) else { continue };
        for item in &items {
            let names = item.names();
            match names[2..] {
                // It is in the brackets of the section.
                ["name"] if !is_only => {}
                ["labels", name] => label(name, item, &common, &index, output),
                ref key => cluster(key, item, &target, output),
            }
        }
        if !target.has("kafka", "bootstrap.servers", output) {
            let line = items.first().and_then(|item| item.line);
            output.wrong(
                line,
                &format!("clusters{index}.bootstrap_servers is missing: name the brokers there"),
            );
        }
    }
}

/// Where a cluster is written. `None` if it has no name, or the name of another cluster, which is reported.
fn target(
    index: &str,
    items: &[Item],
    is_only: bool,
    names: &mut BTreeSet<String>,
    output: &mut Output<'_>,
) -> Option<Target> {
    let Some(item) = items.iter().find(|item| item.names()[2..] == ["name"]) else {
        let line = items.first().and_then(|item| item.line);
        output.wrong(line, &format!("clusters{index}.name is missing"));
        return None;
    };
    let name = output.text_of(item)?.trim();
    // A name in brackets cannot be a variable, and is one line.
    let in_brackets = !is_only && (name.contains("${") || name.contains(char::is_control));
    if name.is_empty() || in_brackets || !names.insert(name.to_owned()) {
        output.expected(
            item,
            "a name that no other cluster has, without variables if there are several clusters",
        );
        return None;
    }
    Some(if is_only { Target::Only } else { Target::Named(name.to_owned()) })
}

fn cluster(key: &[&str], item: &Item, target: &Target, output: &mut Output<'_>) {
    let text =
        |output: &mut Output<'_>| output.text_of(item).and_then(|text| output.form_of(item, of_klag(text)));
    match key {
        ["name"] => {
            if let Some(name) = text(output) {
                target.put("kafka", "name", &name, item, output);
            }
        }
        ["bootstrap_servers"] => match text(output) {
            Some(brokers) if brokers.trim().is_empty() => output.expected(item, "HOST:PORT,…"),
            Some(brokers) => target.put("kafka", "bootstrap.servers", &brokers, item, output),
            None => {}
        },
        ["group_whitelist"] => filter("groups.include", item, target, output),
        ["group_blacklist"] => filter("groups.exclude", item, target, output),
        ["topic_whitelist"] => filter("topics.include", item, target, output),
        ["topic_blacklist"] => filter("topics.exclude", item, target, output),
        ["consumer_properties", name @ ..] => {
            // klag-exporter takes texts alone. A name without quotes is cut into tables at its dots.
            if let Some(value) = text(output) {
                target.put("kafka", &name.join("."), &value, item, output);
            }
        }
        _ => output.leave_out(item, "klag-exporter has no such key"),
    }
}

/// A list of expressions of which one must match a part of a name.
fn filter(key: &str, item: &Item, target: &Target, output: &mut Output<'_>) {
    let Some(list) = output.list_of(item) else { return };
    if list.is_empty() && key.ends_with("include") {
        output.note(format!(
            "{} is empty, so klag-exporter watches nothing there: [lag] is switched off",
            item.key()
        ));
        if !target.has("lag", "enabled", output) {
            target.put("lag", "enabled", "false", item, output);
        }
        return;
    }
    match expression::of_parts(list) {
        Ok(whole) => {
            if let Some(whole) = output.form_of(item, of_klag(&whole)) {
                target.put("lag", key, &whole, item, output);
            }
        }
        Err(_) => output.expected(item, "regular expressions"),
    }
}

fn label(name: &str, item: &Item, common: &BTreeMap<String, Value>, index: &str, output: &mut Output<'_>) {
    if common.get(name) != Some(&item.value) {
        let why = "labels hold for all clusters here: let Prometheus add this label where kafka_cluster names the cluster";
        output.leave_out(item, why);
    } else if let Some(problem) = labels::problem(name) {
        output.leave_out(item, problem);
    } else if index == "[0]"
        && let Some(value) = output.text_of(item).and_then(|text| output.form_of(item, of_klag(text)))
    {
        output.put("labels", name, &value, item);
    }
}
