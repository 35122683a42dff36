//! The question to the gate of a running service.

use std::{path::PathBuf, time::Duration};

use reqwest::StatusCode;
use serde::Deserialize;

use super::reply::Reply;
use crate::{
    config,
    oneshot::client::{Limits, Request},
    text,
};

/// The service itself waits for new metadata for 3 s. An answer has a few lines for each cluster.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), mebibytes: 1 };

/// What is asked of the service, and where.
#[derive(Debug)]
pub struct Question {
    /// The address of the service; `None` for the address in its configuration.
    pub url: Option<String>,
    /// A file with CA certificates that are trusted beside those of the system, if the address is given.
    pub ca: Option<PathBuf>,
    /// How long every condition must have held.
    pub wanted: Duration,
    /// The name of one cluster; `None` for all of them.
    pub cluster: Option<String>,
}

/// A running service.
#[derive(Debug)]
pub struct Service(Request);

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The service may answer later.
    Passing(String),
    /// The service will not answer this question, whenever it is asked.
    Lasting(String),
}

impl Service {
    /// The service of this question. `http` is its configuration, which has the login or the token.
    ///
    /// # Errors
    /// The address or a certificate cannot be used.
    pub fn new(question: &Question, http: &config::Http) -> Result<Self, String> {
        let mut query = vec![("for", humantime::format_duration(question.wanted).to_string())];
        query.extend(question.cluster.clone().map(|cluster| ("cluster", cluster)));
        let (url, ca) = (question.url.as_deref(), question.ca.as_ref());
        Request::new(url, ca, http, "/api/v1/gate", &query, LIMITS).map(Self)
    }

    /// The address without a login and without the question, for people.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Asks once.
    ///
    /// # Errors
    /// There is no answer within 10 s, or it is no answer of a gate.
    pub(super) async fn ask(&self) -> Result<(Reply, serde_json::Value), Trouble> {
        let (status, body) = self.0.send().await.map_err(Trouble::Passing)?;
        judged(&self.name(), status, &body)
    }
}

/// The meaning of an answer.
fn judged(name: &str, status: StatusCode, body: &[u8]) -> Result<(Reply, serde_json::Value), Trouble> {
    let words = || text::plain(String::from_utf8_lossy(body).trim());
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Trouble::Lasting(format!("{name} answers {status}: {}", words())));
        }
        StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {}
        _ => return Err(Trouble::Passing(format!("{name} answers {status}: {}", words()))),
    }
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let reply = value.as_ref().and_then(|value| Reply::deserialize(value).ok());
    // A gateway in front of the service may answer 200 or 503 as well.
    let is_true = |reply: &Reply| reply.open == (status == StatusCode::OK) && !reply.clusters.is_empty();
    match (reply.filter(is_true), value) {
        (Some(reply), Some(value)) => Ok((reply, value)),
        _ => Err(Trouble::Passing(format!("{name} answers {status}, but not as a gate does"))),
    }
}
