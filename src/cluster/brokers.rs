//! Whether a cluster has other brokers than before.

use std::collections::{BTreeMap, BTreeSet};

use crate::kafka::{BrokerId, admin::Broker};

/// The brokers that were asked last. Other brokers may allow a request that these refused.
#[derive(Debug, Default)]
pub(crate) struct AskedBrokers(BTreeSet<BrokerId>);

impl AskedBrokers {
    /// Takes in the brokers that are asked now. Returns whether they are others than before; false for the first ones.
    pub(crate) fn change(&mut self, brokers: &BTreeMap<BrokerId, Broker>) -> bool {
        if self.0.iter().eq(brokers.keys()) {
            return false;
        }
        let before = std::mem::replace(&mut self.0, brokers.keys().copied().collect());
        !before.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_change_when_one_comes_or_goes_and_not_with_their_addresses() {
        let brokers = |ids: &[i32], port| {
            let broker = Broker { host: "b.example".to_owned(), port, rack: None };
            ids.iter().map(|id| (BrokerId(*id), broker.clone())).collect::<BTreeMap<_, _>>()
        };
        let mut asked = AskedBrokers::default();
        let changes = [(&[1, 2][..], 1), (&[1, 2], 2), (&[2], 2), (&[2, 3], 2)];
        let changes = changes.map(|(ids, port)| asked.change(&brokers(ids, port)));
        assert_eq!(changes, [false, false, true, true]);
    }
}
