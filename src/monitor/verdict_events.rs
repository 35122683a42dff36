//! The events of the verdict, which the collection task keeps in the history file with its own.

use std::{fmt, sync::Arc};

use crate::evaluate::events::{Event, Events};

/// Where the events of the verdict are read: all that are kept, the oldest first. An event stays the same [`Arc`] as long as it
/// is kept.
#[derive(Clone)]
pub struct EventSource(Arc<dyn Fn() -> Events + Send + Sync>);

impl EventSource {
    /// A source that reads with this function.
    pub fn new(read: impl Fn() -> Events + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl Default for EventSource {
    /// A source without events.
    fn default() -> Self {
        Self::new(Events::default)
    }
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource").finish_non_exhaustive()
    }
}

/// Reads each event of the verdict once.
#[derive(Debug, Default)]
pub(super) struct VerdictEvents {
    source: EventSource,
    /// The newest event that was read.
    newest: Option<Arc<Event>>,
}

impl VerdictEvents {
    pub(super) fn new(source: EventSource) -> Self {
        Self { source, newest: None }
    }

    /// The events since the last call, the oldest first.
    pub(super) fn news(&mut self) -> Vec<Arc<Event>> {
        let events = (self.source.0)();
        let newest = self.newest.as_ref();
        let read = newest.and_then(|newest| events.iter().rposition(|event| Arc::ptr_eq(event, newest)));
        // If the newest one is not kept any more, all that are kept are news.
        let news = events.iter().skip(read.map_or(0, |position| position + 1)).cloned().collect();
        if let Some(event) = events.back() {
            self.newest = Some(event.clone());
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::Mutex,
        time::{Duration, UNIX_EPOCH},
    };

    use super::*;
    use crate::sync::lock;

    fn event(second: u64) -> Arc<Event> {
        let at = UNIX_EPOCH + Duration::from_secs(second);
        let (subject, words) = ("broker 3".to_owned(), "Broker 3 does not answer.".to_owned());
        Arc::new(Event { at, kind: "suspect_found".into(), subject, words })
    }

    #[test]
    fn event_of_the_verdict_is_read_once_although_older_ones_are_forgotten() {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let read = kept.clone();
        let mut events = VerdictEvents::new(EventSource::new(move || Arc::new(lock(&read).clone())));
        let seconds = |news: Vec<Arc<Event>>| -> Vec<u64> {
            let since =
                |event: &Arc<Event>| event.at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            news.iter().map(since).collect()
        };
        assert!(events.news().is_empty());
        lock(&kept).extend([event(1), event(2)]);
        assert_eq!(seconds(events.news()), [1, 2]);
        assert!(events.news().is_empty());
        lock(&kept).push_back(event(3));
        lock(&kept).pop_front();
        assert_eq!(seconds(events.news()), [3]);
        *lock(&kept) = VecDeque::from([event(4), event(5)]);
        assert_eq!(seconds(events.news()), [4, 5]);
    }
}
