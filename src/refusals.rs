//! Logs which requests a cluster refuses for lack of a permission.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    boards::Boards,
    kafka::{Capability, Request},
};

/// The boards are read this often.
const EVERY: Duration = Duration::from_secs(10);

/// Logs the refused requests of each cluster, in one line for all of them, whenever they change. Ends with `stop`.
pub async fn watch(boards: Boards, stop: CancellationToken) {
    let mut known = BTreeMap::<Arc<str>, Known>::new();
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let boards = boards.list();
        known.retain(|name, _| boards.iter().any(|board| board.name == *name));
        for board in boards.iter() {
            let cluster = &*board.name;
            let known = known.entry(board.name.clone()).or_default();
            match known.learn(board.read().capabilities()).as_deref() {
                None => {}
                Some("") => {
                    tracing::info!(cluster, "no request is refused for lack of a permission any more")
                }
                Some(words) => tracing::warn!(
                    cluster,
                    "the principal lacks permissions; the command acls lists what to allow: {words}"
                ),
            }
        }
    }
}

/// The last known state of each request of a cluster.
#[derive(Debug, Default)]
struct Known(BTreeMap<Request, Capability>);

impl Known {
    /// Takes in the states of now. A request whose state is unknown at the moment keeps the state that was known last.
    /// Returns what is refused, in words, if that has changed; nothing is refused where the words are empty.
    fn learn(&mut self, now: Vec<(Request, Capability)>) -> Option<String> {
        let before = self.refused();
        self.0.extend(now.into_iter().filter(|(_, state)| *state != Capability::Unknown));
        Some(self.refused()).filter(|refused| *refused != before)
    }

    fn refused(&self) -> String {
        let denied = self.0.iter().filter(|(_, state)| **state == Capability::Denied);
        denied.map(|(request, state)| request.refusal(*state)).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_logged_once_and_kept_while_requests_have_no_answer() {
        use Capability::{Denied, Ok, Unknown};
        let (fetch, groups) = (Request::Fetch, Request::ListGroups);
        let mut known = Known::default();
        assert_eq!(known.learn(vec![(fetch, Unknown), (groups, Ok)]), None);
        let words = "Fetch is denied: it needs Read on the topics";
        assert_eq!(known.learn(vec![(fetch, Denied), (groups, Ok)]).as_deref(), Some(words));
        assert_eq!(known.learn(vec![(fetch, Denied)]), None, "a refusal is logged once");
        assert_eq!(
            known.learn(vec![(fetch, Unknown), (groups, Unknown)]),
            None,
            "an outage is no permission"
        );
        assert_eq!(known.learn(Vec::new()), None, "a snapshot that is stale changes nothing");
        let both =
            format!("ListGroups is denied: it needs Describe on the cluster or on the groups; {words}");
        assert_eq!(known.learn(vec![(groups, Denied)]), Some(both));
        assert_eq!(known.learn(vec![(fetch, Ok), (groups, Ok)]).as_deref(), Some(""));
    }
}
