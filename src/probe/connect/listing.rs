//! The answer to `GET /connectors?expand=status`, read with a bound for what is kept.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::SystemTime,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    part::Part,
    status::{Direction, Status},
};
use crate::{
    config::{Filter, secret::redacted},
    text::plain,
};

/// So many connectors of an answer are kept.
const MOST_CONNECTORS: usize = 10_000;

/// So many tasks of an answer are kept.
const MOST_TASKS: usize = 100_000;

/// So many characters of a name are kept.
const LONGEST_NAME: usize = 249;

/// The first line of a trace is looked at up to this length in bytes. More than [`plain`] shows, so that no secret is cut.
const LONGEST_LINE: usize = 4096;

/// The connectors of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The connectors by name.
    pub(super) connectors: BTreeMap<Arc<str>, Read>,
    /// The number of connectors that are not kept, because there are too many.
    pub(super) left_out: usize,
}

/// One connector of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) direction: Direction,
    pub(super) connector: Part,
    pub(super) tasks: BTreeMap<u32, Part>,
}

/// Reads an answer that arrived at a moment. Connectors that the filter does not cover are skipped.
///
/// # Errors
/// The answer is not JSON, or of another form.
pub(super) fn read(body: &[u8], filter: &Filter, at: SystemTime) -> Result<Listing, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let listing = Reader { filter, at }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(listing)
}

struct Reader<'f> {
    filter: &'f Filter,
    at: SystemTime,
}

/// What a worker writes about a connector. A connector that was deleted a moment before has no status.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    status: Option<StatusEntry<'a>>,
}

#[derive(Deserialize)]
struct StatusEntry<'a> {
    #[serde(borrow)]
    connector: PartEntry<'a>,
    #[serde(borrow, default)]
    tasks: Tasks<'a>,
    #[serde(rename = "type", default)]
    direction: Option<Direction>,
}

/// The tasks of a connector, as many as are kept of all connectors. Those beyond are read and not kept.
#[derive(Default)]
struct Tasks<'a>(Vec<PartEntry<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Tasks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for List<'a> {
            type Value = Tasks<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tasks")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tasks<'a>, A::Error> {
                let mut tasks = Vec::new();
                while tasks.len() < MOST_TASKS {
                    let Some(task) = list.next_element()? else { return Ok(Tasks(tasks)) };
                    tasks.push(task);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Tasks(tasks))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

#[derive(Deserialize)]
struct PartEntry<'a> {
    id: Option<u32>,
    state: Status,
    #[serde(borrow)]
    worker_id: Option<Cow<'a, str>>,
    trace: Option<FirstLine>,
}

/// The first line of a trace, made harmless. The rest is not kept.
struct FirstLine(Box<str>);

impl<'de> Deserialize<'de> for FirstLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Trace;
        impl Visitor<'_> for Trace {
            type Value = FirstLine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a trace")
            }

            fn visit_str<E>(self, trace: &str) -> Result<FirstLine, E> {
                let line = trace.trim_start().lines().next().unwrap_or_default();
                let line = &line[..line.floor_char_boundary(LONGEST_LINE)];
                Ok(FirstLine(plain(redacted(line).trim_end()).into()))
            }
        }
        deserializer.deserialize_str(Trace)
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Listing;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Listing, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Listing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connectors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listing, A::Error> {
        let mut listing = Listing::default();
        let mut names = Names::default();
        let mut tasks = 0;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if !self.filter.covers(&name) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if listing.connectors.len() >= MOST_CONNECTORS || tasks >= MOST_TASKS {
                map.next_value::<IgnoredAny>()?;
                listing.left_out += 1;
                continue;
            }
            let Some(status) = map.next_value::<Entry<'de>>()?.status else { continue };
            let read = self.connector(status, &mut names, MOST_TASKS - tasks);
            tasks += read.tasks.len();
            listing.connectors.insert(shortened(&name).into(), read);
        }
        Ok(listing)
    }
}

impl Reader<'_> {
    /// A connector with at most so many tasks.
    fn connector(&self, status: StatusEntry<'_>, names: &mut Names, most: usize) -> Read {
        let StatusEntry { connector, tasks, direction } = status;
        let mut part = |PartEntry { state, worker_id, trace, .. }: PartEntry<'_>| Part {
            status: state,
            worker: names.of(&worker_id.unwrap_or_default()),
            trace: trace.filter(|_| state == Status::Failed).map(|trace| trace.0),
            since: self.at,
            noted: None,
        };
        let tasks = tasks.0.into_iter().take(most);
        let numbered = tasks.filter_map(|task| Some((task.id?, task)));
        Read {
            direction: direction.unwrap_or_default(),
            tasks: numbered.map(|(id, task)| (id, part(task))).collect(),
            connector: part(connector),
        }
    }
}

/// The names of workers, each kept once.
#[derive(Default)]
struct Names(BTreeSet<Arc<str>>);

impl Names {
    fn of(&mut self, name: &str) -> Arc<str> {
        let name = shortened(name);
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let name = Arc::<str>::from(name);
        self.0.insert(name.clone());
        name
    }
}

/// The beginning of a name that is too long.
fn shortened(name: &str) -> &str {
    name.char_indices().nth(LONGEST_NAME).map_or(name, |(end, _)| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::filter, *};

    fn listing(text: &str, keys: &[(&str, &str)]) -> Option<Listing> {
        read(text.as_bytes(), &filter(keys), SystemTime::UNIX_EPOCH).ok()
    }

    #[test]
    fn answer_is_read_as_connect_writes_it_and_only_what_the_filter_covers_is_kept() {
        let text = r#"{
            "orders\u002dsink": {"status": {"name": "orders-sink",
                "connector": {"state": "RUNNING", "worker_id": "10.0.0.1:8083", "version": "4.1.0"},
                "tasks": [{"id": 0, "state": "FAILED", "worker_id": "10.0.0.1:8083",
                           "trace": "org.x.ConnectException: no \u001b[31m folder\n\tat org.x"}],
                "type": "sink"}},
            "deleted": {},
            "test-1": {"status": 7}
        }"#;
        let listing = listing(text, &[("connectors.exclude", "test-.*")]).expect("a listing");
        let names: Vec<_> = listing.connectors.keys().map(|name| &**name).collect();
        assert_eq!(names, ["orders-sink"]);
        let read = &listing.connectors["orders-sink"];
        assert_eq!((read.direction, read.connector.status), (Direction::Sink, Status::Running));
        let task = &read.tasks[&0];
        assert_eq!(task.trace.as_deref(), Some("org.x.ConnectException: no \\u{1b}[31m folder"));
        assert!(Arc::ptr_eq(&task.worker, &read.connector.worker), "the name of a worker is kept once");
    }

    #[test]
    fn answer_of_another_form_is_refused() {
        let status = |status: &str| format!(r#"{{"a":{{"status":{status}}}}}"#);
        let wrong = [
            "[\"a\"]".to_owned(),
            "null".to_owned(),
            "{\"a\":[]".to_owned(),
            status("{}"),
            status(r#"{"connector":{"state":1,"worker_id":""}}"#),
            status(
                r#"{"connector":{"state":"RUNNING","worker_id":""},"tasks":[{"id":-1,"state":"","worker_id":""}]}"#,
            ),
        ];
        for text in wrong {
            assert_eq!(listing(&text, &[]), None, "{text}");
        }
    }

    #[test]
    fn more_connectors_than_are_kept_are_counted_and_a_long_name_is_cut() {
        let entry = |name: &str| {
            format!(
                r#""{name}":{{"status":{{"connector":{{"state":"RUNNING","worker_id":"w"}},"tasks":[]}}}}"#
            )
        };
        let entries: Vec<_> = (0..MOST_CONNECTORS + 7).map(|number| entry(&number.to_string())).collect();
        let listing = listing(&format!("{{{}}}", entries.join(",")), &[]).expect("a listing");
        assert_eq!((listing.connectors.len(), listing.left_out), (MOST_CONNECTORS, 7));
        assert_eq!(shortened(&"ü".repeat(300)), "ü".repeat(249));
    }
}
