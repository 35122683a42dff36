//! A parser of all formats that is stricter than Prometheus: it refuses everything that the formats do not require.
//!
//! It is written from the grammars of the formats and shares no code with the exporter.

pub(crate) mod protobuf;

use std::collections::{BTreeMap, BTreeSet};

use kafka_heartbeat::export::prometheus::Format;

/// Names and values.
type Labels = Vec<(String, String)>;
/// A sample's name and its labels in alphabetical order.
pub(crate) type Id = (String, Labels);

/// A parsed exposition.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: BTreeMap<String, String>,
    samples: BTreeMap<Id, f64>,
    exemplars: BTreeMap<Id, (Labels, f64)>,
    natives: BTreeMap<Id, protobuf::Native>,
}

impl Exposition {
    /// Labels and value of each bucket's exemplar.
    pub(crate) fn exemplars(&self) -> &BTreeMap<Id, (Labels, f64)> {
        &self.exemplars
    }

    /// Native histograms, by name and labels.
    pub(crate) fn natives(&self) -> &BTreeMap<Id, protobuf::Native> {
        &self.natives
    }

    /// Every sample; a bucket's bound is written as the shortest float.
    pub(crate) fn samples(&self) -> &BTreeMap<Id, f64> {
        &self.samples
    }

    /// The families' names, as their format has them.
    pub(crate) fn families(&self) -> impl Iterator<Item = &str> {
        self.families.keys().map(String::as_str)
    }

    /// The values of one label over all samples of one name.
    pub(crate) fn labels_of(&self, name: &str, label: &str) -> BTreeSet<String> {
        let samples = self.samples.keys().filter(|(sample, _)| sample == name);
        let labels = samples.flat_map(|(_, labels)| labels).filter(|(found, _)| found == label);
        labels.map(|(_, value)| value.clone()).collect()
    }

    /// The value of the only sample of a name.
    pub(crate) fn only(&self, name: &str) -> f64 {
        let values: Vec<_> = self.samples.iter().filter(|((n, _), _)| n == name).map(|(_, v)| *v).collect();
        assert_eq!(values.len(), 1, "{name} has {} samples", values.len());
        values[0]
    }
}

/// The family whose lines are being read.
struct Family {
    name: String,
    kind: String,
    /// Labels without the bound, bound, count.
    buckets: Vec<(Labels, f64, f64)>,
}

/// Reads a whole exposition.
pub(crate) fn parse(text: &str, format: Format) -> Result<Exposition, String> {
    let text = match format {
        Format::Text => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").ok_or("no EOF at the end")?,
        Format::Protobuf => return Err("is no text".to_owned()),
    };
    let mut read = Exposition::default();
    let mut family: Option<Family> = None;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\n').ok_or("the last line has no end")?;
        let result = if let Some(help) = line.strip_prefix("# HELP ") {
            close(family.take(), &read)?;
            let kind = lines.next().and_then(|line| line.strip_suffix('\n')).unwrap_or_default();
            begin(help, kind, format, &mut read).map(|begun| family = Some(begun))
        } else if let Some(unit) = line.strip_prefix("# UNIT ") {
            self::unit(unit, family.as_ref(), format)
        } else if line.starts_with('#') {
            Err("a comment of no known kind".to_owned())
        } else {
            let family = family.as_mut().ok_or("a sample before any family")?;
            sample(line, family, format, &mut read)
        };
        result.map_err(|error| format!("{error}: {line}"))?;
    }
    close(family, &read)?;
    Ok(read)
}

fn begin(help: &str, kind: &str, format: Format, read: &mut Exposition) -> Result<Family, String> {
    let (name, words) = help.split_once(' ').ok_or("help without words")?;
    check_name(name, true)?;
    unescape(words, format == Format::OpenMetrics)?;
    let kind = kind.strip_prefix("# TYPE ").and_then(|kind| kind.strip_prefix(name)).ok_or("no type")?;
    let kind = kind.strip_prefix(' ').ok_or("no type")?;
    let kinds = match format {
        Format::Text => ["counter", "gauge", "histogram"].as_slice(),
        _ => &["counter", "gauge", "histogram", "info", "unknown"],
    };
    if !kinds.contains(&kind) {
        return Err(format!("{kind} is no type"));
    }
    // The families do not interleave, and no sample's name belongs to two of them.
    for (other, other_kind) in &read.families {
        let (ours, theirs) = (names(name, kind, format), names(other, other_kind, format));
        if name == other || ours.iter().any(|name| theirs.contains(name)) {
            return Err(format!("clashes with {other}"));
        }
    }
    read.families.insert(name.to_owned(), kind.to_owned());
    Ok(Family { name: name.to_owned(), kind: kind.to_owned(), buckets: Vec::new() })
}

fn unit(line: &str, family: Option<&Family>, format: Format) -> Result<(), String> {
    let (name, unit) = line.split_once(' ').ok_or("a unit without a word")?;
    let fits = format == Format::OpenMetrics
        && family.is_some_and(|family| family.name == name && name.ends_with(&format!("_{unit}")));
    fits.then_some(()).ok_or_else(|| "a unit that is not the end of the name".to_owned())
}

/// The names that samples of a family may have.
fn names(family: &str, kind: &str, format: Format) -> Vec<String> {
    let suffixes: &[&str] = match (format, kind) {
        (_, "histogram") => &["_bucket", "_sum", "_count"],
        (Format::OpenMetrics, "counter") => &["_total"],
        (Format::OpenMetrics, "info") => &["_info"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
}

fn sample(line: &str, family: &mut Family, format: Format, read: &mut Exposition) -> Result<(), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    if !names(&family.name, &family.kind, format).iter().any(|own| own == name) {
        return Err(format!("{name} is no sample of {}", family.name));
    }
    let (mut labels, rest) = labels(rest)?;
    let text = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let (text, exemplar) = match text.split_once(" # ") {
        Some((text, exemplar)) if format == Format::OpenMetrics && name.ends_with("_bucket") => {
            (text, Some(self::exemplar(exemplar)?))
        }
        Some(_) => return Err("an exemplar where none may be".to_owned()),
        None => (text, None),
    };
    let value = number(text)?;
    let counts = family.kind == "counter" || name.ends_with("_bucket") || name.ends_with("_count");
    if counts && (value.is_nan() || value < 0.0) || family.kind == "info" && value != 1.0 {
        return Err(format!("{text} is no value of this type"));
    }
    labels.sort();
    if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err("a label twice".to_owned());
    }
    if family.kind == "histogram" && name.ends_with("_bucket") {
        let at = labels.iter().position(|(label, _)| label == "le").ok_or("a bucket without a bound")?;
        let (_, le) = labels.remove(at);
        if format == Format::OpenMetrics && le != "+Inf" && !le.contains('.') {
            return Err("a bound that is no float".to_owned());
        }
        let bound = number(&le)?;
        family.buckets.push((labels.clone(), bound, value));
        labels.push(("le".to_owned(), bound.to_string()));
    } else if labels.iter().any(|(label, _)| label == "le") {
        return Err("a bound outside of a bucket".to_owned());
    }
    let id = (name.to_owned(), labels);
    if let Some((names, seen, _)) = exemplar {
        let bound = family.buckets.last().map_or(f64::NAN, |(_, bound, _)| *bound);
        if seen > bound || value == 0.0 {
            return Err("an exemplar of another bucket".to_owned());
        }
        read.exemplars.insert(id.clone(), (names, seen));
    }
    match read.samples.insert(id, value) {
        None => Ok(()),
        Some(_) => Err("the same series twice".to_owned()),
    }
}

/// `{a="b"} value timestamp`
fn exemplar(text: &str) -> Result<(Labels, f64, f64), String> {
    let (names, rest) = labels(text)?;
    let length: usize = names.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    let (value, at) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')).ok_or("no exemplar")?;
    if names.is_empty() || length > 128 {
        return Err(format!("{length} characters of labels"));
    }
    Ok((names, number(value)?, number(at)?))
}

/// The labels of `{a="b",c="d"}` and the rest of the line.
fn labels(text: &str) -> Result<(Labels, &str), String> {
    let Some(mut rest) = text.strip_prefix('{') else { return Ok((Vec::new(), text)) };
    let mut labels = Vec::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").ok_or("a label without a value")?;
        check_name(name, false)?;
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, after) = quoted.split_at(end.ok_or("a label's value has no end")?);
        labels.push((name.to_owned(), unescape(value, true)?));
        match after.strip_prefix("\",") {
            Some(next) => rest = next,
            None => return after.strip_prefix("\"}").map(|rest| (labels, rest)).ok_or("no end".to_owned()),
        }
    }
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => return Err(format!("{other:?} cannot be escaped")),
            },
            '"' if quotes => return Err("a bare quote".to_owned()),
            c => c,
        });
    }
    Ok(plain)
}

fn check_name(name: &str, colons: bool) -> Result<(), String> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    let legal = name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_ascii_digit());
    legal.then_some(()).ok_or_else(|| format!("{name} is no name"))
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ if text.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c)) => {
            text.parse().map_err(|_| format!("{text} is no number"))
        }
        _ => Err(format!("{text} is no number")),
    }
}

/// Every histogram: bounds and counts ascend, the last bucket is infinite and equals the count; a sum is there.
fn close(family: Option<Family>, read: &Exposition) -> Result<(), String> {
    let Some(family) = family else { return Ok(()) };
    let error = |what: &str| Err(format!("{}: {what}", family.name));
    let of = |suffix: &str, labels: &Labels| {
        read.samples.get(&(format!("{}{suffix}", family.name), labels.clone())).copied()
    };
    for group in family.buckets.chunk_by(|one, next| one.0 == next.0) {
        let ascends = group.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].2 <= pair[1].2);
        if !ascends {
            return error("bounds or counts do not ascend");
        }
        let Some((labels, bound, count)) = group.last() else { continue };
        if *bound != f64::INFINITY || of("_count", labels) != Some(*count) {
            return error("the infinite bucket is not the count");
        }
        if of("_sum", labels).is_none() {
            return error("no sum");
        }
    }
    Ok(())
}
