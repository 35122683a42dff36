//! Sends requests to the controller.

use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    protocol::Request,
};

use super::metadata::{Topics, metadata};
use crate::kafka::{Error, wire};

/// Sends a request to the controller if it is known, else to any broker, because KRaft brokers pass it on. If the error
/// code of the response is that the controller has moved, finds the new one and sends the request once more.
pub(super) async fn ask_controller<R: Request>(
    cluster: &wire::Cluster,
    request: &R,
    ours: wire::VersionRange,
    code: impl Fn(&R::Response) -> i16,
) -> Result<R::Response, Error> {
    let answer = ask_known_controller(cluster, request, ours).await?;
    if code(&answer).err() != Some(ResponseError::NotController) {
        return Ok(answer);
    }
    metadata(cluster, Topics::Named(&[])).await?;
    ask_known_controller(cluster, request, ours).await
}

async fn ask_known_controller<R: Request>(
    cluster: &wire::Cluster,
    request: &R,
    ours: wire::VersionRange,
) -> Result<R::Response, Error> {
    match cluster.controller() {
        Some(controller) => cluster.ask(controller, request, ours).await,
        None => cluster.ask_any(request, ours).await,
    }
}

/// The time limit of a request for the broker, in milliseconds. It is shorter than the limit of the wire client, so that
/// the broker's own error comes before that.
pub(super) fn limit_ms(cluster: &wire::Cluster) -> i32 {
    i32::try_from((cluster.timeout() * 4 / 5).as_millis()).unwrap_or(i32::MAX)
}
