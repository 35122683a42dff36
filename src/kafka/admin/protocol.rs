//! Converts names, ids and error codes between the types of this program and those of the protocol crate.

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{self, GroupId, TopicName, metadata_request::MetadataRequestTopic},
    protocol::StrBytes,
};

use crate::{
    kafka::{BrokerId, Error, Fault},
    text::plain,
};

/// A topic in a Metadata request.
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

/// The id of a broker. `None` for −1, with which Kafka says that there is no broker.
pub(super) fn known(id: messages::BrokerId) -> Option<BrokerId> {
    (id.0 >= 0).then_some(BrokerId(id.0))
}

/// Turns the error code of a response into a result.
///
/// # Errors
/// The fault of every error code except 0.
pub(super) fn fault_of(code: i16) -> Result<(), Fault> {
    check(code, "", None).map_err(|error| error.fault())
}

/// Turns the error code of a response into a result. `what` names the request, and `message` is the broker's own text.
///
/// # Errors
/// Every error code except 0.
pub(super) fn check(code: i16, what: &str, message: Option<StrBytes>) -> Result<(), Error> {
    let Some(error) = code.err() else { return Ok(()) };
    let reason = match message {
        Some(message) => format!("{error:?}: {}", plain(&message)),
        None => format!("{error:?}"),
    };
    Err(Error::new(Fault::from_response(error), what).because(reason))
}
