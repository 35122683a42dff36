//! A month from a running service.

use std::{path::PathBuf, time::Duration};

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{
    config,
    oneshot::client::{Limits, Request},
    report::{ClusterMonth, Month},
    text,
};

/// The service may wait for its disk. The longest answer has 3000 incidents with their causes for each cluster.
const LIMITS: Limits = Limits { time: Duration::from_secs(30), mebibytes: 32 };

/// A running service.
pub(super) struct Service(Request);

/// What a service answers.
#[derive(Deserialize)]
struct Answer {
    clusters: Vec<ClusterMonth>,
}

impl Service {
    /// The service at this address, or at the address of the configuration.
    pub(super) fn new(
        url: Option<&str>,
        ca: Option<&PathBuf>,
        http: &config::Http,
        month: Month,
    ) -> Result<Self, String> {
        Request::new(url, ca, http, "/api/v1/slo", &[("month", month.to_string())], LIMITS).map(Self)
    }

    /// Scheme, host and port of the service, for people.
    pub(super) fn name(&self) -> String {
        self.0.name()
    }

    /// The month of each cluster of the service.
    ///
    /// # Errors
    /// There is no answer within 30 s, or it cannot be true: the reason, in words.
    pub(super) async fn ask(&self, month: Month) -> Result<Vec<ClusterMonth>, String> {
        let name = self.name();
        let (status, body) = self.0.send().await?;
        if status != StatusCode::OK {
            let words = text::plain(String::from_utf8_lossy(&body).trim());
            return Err(format!("{name} answers {status}: {words}"));
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            let words = text::plain(&error.to_string());
            format!("{name} answers, but not as /api/v1/slo does: {words}")
        })?;
        let mut months = answer.clusters;
        for answered in &mut months {
            let cluster = text::plain(&answered.cluster);
            answered.check(month).map_err(|words| {
                format!("the answer of {name} about cluster {cluster} cannot be true: {words}")
            })?;
            answered.source = Some(self.0.base().to_owned());
        }
        Ok(months)
    }
}
