//! Kinds of changes.

use std::borrow::Cow;

/// Something that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) change: Change,
    /// A topic or a broker: hostile text.
    pub(crate) subject: String,
    /// In a sentence fragment, without the subject.
    pub(crate) words: Cow<'static, str>,
}

impl From<(Change, String)> for Changed {
    fn from((change, subject): (Change, String)) -> Self {
        Self { change, subject, words: change.words().into() }
    }
}

/// What changed between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A topic that was not there.
    TopicCreated,
    /// A topic that has gone.
    TopicDeleted,
    /// Another topic under the same name.
    TopicRecreated,
    /// More partitions.
    PartitionsAdded,
    /// Another number of replicas.
    ReplicationChanged,
    /// A leader that moved.
    LeaderMoved,
    /// A broker that was not there.
    BrokerJoined,
    /// A broker that has gone.
    BrokerLeft,
    /// A broker in another rack.
    RackChanged,
    /// A topic with another setting, of those that are watched.
    ConfigChanged,
}

impl Change {
    /// Every kind, in the order of the labels.
    pub const ALL: [Change; 10] = [
        Change::TopicCreated,
        Change::TopicDeleted,
        Change::TopicRecreated,
        Change::PartitionsAdded,
        Change::ReplicationChanged,
        Change::LeaderMoved,
        Change::BrokerJoined,
        Change::BrokerLeft,
        Change::RackChanged,
        Change::ConfigChanged,
    ];

    /// The kind as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::TopicCreated => "topic_created",
            Change::TopicDeleted => "topic_deleted",
            Change::TopicRecreated => "topic_recreated",
            Change::PartitionsAdded => "partitions_added",
            Change::ReplicationChanged => "replication_changed",
            Change::LeaderMoved => "leader_moved",
            Change::BrokerJoined => "broker_joined",
            Change::BrokerLeft => "broker_left",
            Change::RackChanged => "rack_changed",
            Change::ConfigChanged => "config_changed",
        }
    }

    /// Whether it concerns a topic, and not a broker.
    pub(crate) fn is_of_topic(self) -> bool {
        !matches!(self, Change::BrokerJoined | Change::BrokerLeft | Change::RackChanged)
    }

    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Change::TopicCreated => "a topic that was not there",
            Change::TopicDeleted => "a topic that has gone",
            Change::TopicRecreated => "another topic under the same name",
            Change::PartitionsAdded => "more partitions",
            Change::ReplicationChanged => "another number of replicas",
            Change::LeaderMoved => "a leader that moved",
            Change::BrokerJoined => "a broker that was not there",
            Change::BrokerLeft => "a broker that has gone",
            Change::RackChanged => "a broker in another rack",
            Change::ConfigChanged => "another setting",
        }
    }
}
