//! Names, ids and error codes, between our types and those of the protocol.

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{self, GroupId, TopicName, metadata_request::MetadataRequestTopic},
    protocol::StrBytes,
};

use crate::{
    kafka::{BrokerId, Error, Fault},
    text::plain,
};

pub(super) fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(super) fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn ids(ids: &[messages::BrokerId]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(id.0)).collect()
}

/// Kafka writes -1 for "none".
pub(super) fn known(id: messages::BrokerId) -> Option<BrokerId> {
    (id.0 >= 0).then_some(BrokerId(id.0))
}

/// An error code of an answer as a result; the broker's words go along.
pub(super) fn check(code: i16, what: &str, words: Option<StrBytes>) -> Result<(), Error> {
    let Some(error) = code.err() else { return Ok(()) };
    let words = words.map_or_else(|| format!("{error:?}"), |words| format!("{error:?}: {}", plain(&words)));
    Err(Error::new(Fault::from_response(error), what).because(words))
}
