//! Kinds of changes, and the sentences that report them.

use crate::closed_enum::closed_enum;
/// One change of a topic or a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) change: Change,
    /// The name of the topic or the id of the broker. Hostile text may be inside.
    pub(crate) subject: String,
    /// What changed, as a sentence that names the subject.
    pub(crate) sentence: String,
}

impl From<(Change, String)> for Changed {
    fn from((change, subject): (Change, String)) -> Self {
        let sentence = change.of_one(&subject);
        Self { change, subject, sentence }
    }
}

closed_enum! {
    /// A kind of change between two collection cycles.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Change {
        /// A topic was created.
        TopicCreated = "topic_created",
        /// A topic was deleted.
        TopicDeleted = "topic_deleted",
        /// A topic was deleted and created again under the same name.
        TopicRecreated = "topic_recreated",
        /// A topic has more partitions than before.
        PartitionsAdded = "partitions_added",
        /// A topic has another replication factor than before.
        ReplicationChanged = "replication_changed",
        /// A partition has another leader than before.
        LeaderMoved = "leader_moved",
        /// A broker joined the cluster.
        BrokerJoined = "broker_joined",
        /// A broker left the cluster.
        BrokerLeft = "broker_left",
        /// A broker is in another rack than before.
        RackChanged = "rack_changed",
        /// A topic has another value than before for one of the settings that are watched.
        ConfigChanged = "config_changed",
    }
}

impl Change {
    /// Whether it is a change of a topic, and not of a broker.
    pub(crate) fn is_of_topic(self) -> bool {
        !matches!(self, Change::BrokerJoined | Change::BrokerLeft | Change::RackChanged)
    }

    /// The change of one topic or broker, as a sentence.
    fn of_one(self, subject: &str) -> String {
        match self {
            Change::TopicCreated => format!("Topic {subject} was created."),
            Change::TopicDeleted => format!("Topic {subject} was deleted."),
            Change::TopicRecreated => {
                format!("Topic {subject} was deleted and created again under the same name.")
            }
            Change::PartitionsAdded => format!("Partitions were added to topic {subject}."),
            Change::ReplicationChanged => format!("The replication factor of topic {subject} changed."),
            Change::LeaderMoved => format!("The leader of a partition of topic {subject} changed."),
            Change::BrokerJoined => format!("Broker {subject} joined the cluster."),
            Change::BrokerLeft => format!("Broker {subject} left the cluster."),
            Change::RackChanged => format!("Broker {subject} moved to another rack."),
            Change::ConfigChanged => format!("A setting of topic {subject} changed."),
        }
    }

    /// The same change of several topics or brokers at once, as a sentence that ends with the `names` of the first of them.
    pub(crate) fn of_many(self, count: usize, names: &str) -> String {
        match self {
            Change::TopicCreated => format!("{count} topics were created: {names}."),
            Change::TopicDeleted => format!("{count} topics were deleted: {names}."),
            Change::TopicRecreated => {
                format!("{count} topics were deleted and created again under the same name: {names}.")
            }
            Change::PartitionsAdded => format!("Partitions were added to {count} topics: {names}."),
            Change::ReplicationChanged => {
                format!("The replication factor of {count} topics changed: {names}.")
            }
            Change::LeaderMoved => format!("The leaders of partitions of {count} topics changed: {names}."),
            Change::BrokerJoined => format!("{count} brokers joined the cluster: {names}."),
            Change::BrokerLeft => format!("{count} brokers left the cluster: {names}."),
            Change::RackChanged => format!("{count} brokers moved to another rack: {names}."),
            Change::ConfigChanged => format!("Settings of {count} topics changed: {names}."),
        }
    }
}
