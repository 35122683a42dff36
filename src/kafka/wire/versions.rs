//! Which version of a request to speak with a broker.

use std::collections::BTreeMap;

use kafka_protocol::{messages::api_versions_response::ApiVersionsResponse, protocol::Request};

use super::kinds;
use crate::kafka::{Error, Fault};

/// The versions of one request that this program speaks.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The lowest.
    pub lowest: i16,
    /// The highest.
    pub highest: i16,
}

/// What a broker says it understands.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions(BTreeMap<i16, (i16, i16)>);

impl Versions {
    pub(super) fn new(answer: &ApiVersionsResponse) -> Self {
        let keys = answer.api_keys.iter();
        Self(keys.map(|api| (api.api_key, (api.min_version, api.max_version))).collect())
    }

    /// The highest version that both sides speak.
    pub(super) fn pick<R: Request>(&self, ours: Range) -> Result<i16, Error> {
        let name = || kinds::name(R::KEY);
        let unsupported = |what: String| Err(Error::new(Fault::Unsupported, what));
        let Some((min, max)) = self.0.get(&R::KEY) else {
            return unsupported(format!("the broker does not know {}", name()));
        };
        let version = ours.highest.min(*max);
        if version < ours.lowest.max(*min) {
            let Range { lowest, highest } = ours;
            let what = format!("the broker speaks {} {min} to {max}, we speak {lowest} to {highest}", name());
            return unsupported(what);
        }
        Ok(version)
    }
}
