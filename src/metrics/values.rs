//! Values of labels and of series that several families share.

use std::{borrow::Cow, time::SystemTime};

use super::{Label, Value};
use crate::{clock::unix_seconds, kafka::BrokerId};

/// A label value that is borrowed.
pub(super) fn text(text: &str) -> Label<'_> {
    Cow::Borrowed(text)
}

/// The id of a broker as a label value; `unknown` without a broker.
pub(super) fn broker(id: Option<BrokerId>) -> Label<'static> {
    id.map_or(Cow::Borrowed("unknown"), |id| Cow::Owned(id.to_string()))
}

/// 1 if something holds, else 0.
pub(super) fn flag(holds: bool) -> Value<'static> {
    Value::Count(u64::from(holds))
}

/// A time as seconds since 1970; 0 for a time before.
pub(super) fn unix(time: SystemTime) -> Value<'static> {
    Value::Number(unix_seconds(time))
}
