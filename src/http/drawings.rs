//! The drawings of the page, kept for a minute: they change once a minute, while pages are rendered every second.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::{availability::Timeline, sync::lock};

/// The last drawing of each cluster.
#[derive(Default)]
pub(super) struct Drawings(Mutex<BTreeMap<Arc<str>, Drawn>>);

/// A drawing, and what it was made from.
struct Drawn {
    timeline: Arc<Timeline>,
    /// The minute, in seconds since 1970.
    minute: i64,
    html: Arc<str>,
}

impl Drawings {
    /// The HTML of a cluster for this timeline and minute, which is drawn if it is not kept.
    pub(super) fn of(
        &self,
        cluster: &Arc<str>,
        timeline: &Arc<Timeline>,
        minute: i64,
        draw: impl FnOnce() -> String,
    ) -> Arc<str> {
        if let Some(drawn) = lock(&self.0).get(cluster)
            && drawn.minute == minute
            && Arc::ptr_eq(&drawn.timeline, timeline)
        {
            return drawn.html.clone();
        }
        let html: Arc<str> = draw().into();
        let drawn = Drawn { timeline: timeline.clone(), minute, html: html.clone() };
        lock(&self.0).insert(cluster.clone(), drawn);
        html
    }

    /// Forgets the clusters that are not wanted.
    pub(super) fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|name, _| is_wanted(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_is_made_again_for_another_minute_or_timeline_and_forgotten_with_its_cluster() {
        let drawings = Drawings::default();
        let (name, timeline): (Arc<str>, Arc<Timeline>) = ("k".into(), Arc::default());
        let of = |timeline, minute, html: &str| {
            drawings.of(&name, timeline, minute, || html.to_owned()).to_string()
        };
        assert_eq!([of(&timeline, 0, "a"), of(&timeline, 0, "b"), of(&timeline, 60, "c")], ["a", "a", "c"]);
        assert_eq!(of(&Arc::default(), 60, "d"), "d");
        drawings.retain(|name| name != "k");
        assert!(lock(&drawings.0).is_empty());
    }
}
