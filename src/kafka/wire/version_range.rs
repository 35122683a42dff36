//! The version in which a request is sent to a broker.

use std::collections::BTreeMap;

use kafka_protocol::{messages::api_versions_response::ApiVersionsResponse, protocol::Request};

use super::request_kind;
use crate::kafka::{Error, Fault};

/// The versions of one request that this program speaks.
#[derive(Debug, Clone, Copy)]
pub struct VersionRange {
    /// The lowest version, inclusive.
    pub lowest: i16,
    /// The highest version, inclusive.
    pub highest: i16,
}

/// The versions that a broker understands, by the API key of the request.
#[derive(Debug, Clone, Default)]
pub(super) struct BrokerVersions(BTreeMap<i16, VersionRange>);

impl BrokerVersions {
    pub(super) fn new(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter().map(|api| {
            let range = VersionRange { lowest: api.min_version, highest: api.max_version };
            (api.api_key, range)
        });
        Self(ranges.collect())
    }

    /// The highest version of a request that both sides speak.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] if there is none.
    pub(super) fn pick<R: Request>(&self, ours: VersionRange) -> Result<i16, Error> {
        let name = || request_kind::name(R::KEY);
        let Some(theirs) = self.0.get(&R::KEY) else {
            return Err(Error::new(Fault::Unsupported, format!("the broker does not know {}", name())));
        };
        let version = ours.highest.min(theirs.highest);
        if version < ours.lowest.max(theirs.lowest) {
            let what = format!(
                "the broker speaks {} {} to {}, we speak {} to {}",
                name(),
                theirs.lowest,
                theirs.highest,
                ours.lowest,
                ours.highest
            );
            return Err(Error::new(Fault::Unsupported, what));
        }
        Ok(version)
    }
}
