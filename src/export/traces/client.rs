//! The client which OpenTelemetry's exporter of spans sends with: the transport of metrics, over HTTP or gRPC.

use std::{fmt, sync::Mutex, time::Duration};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::time::Instant;

use crate::{
    config::Target,
    export::otlp::{answer::Refused, attempts::Attempts, renewed::RenewedTransport, transport::Signal},
    sync::lock,
    text::plain,
};

/// The limit for all attempts at one request. It suffices for three attempts if the collector answers at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Sends an encoded `ExportTraceServiceRequest` and judges the answer.
///
/// The exporter itself would take any answer with a status of success, and would hide the cause of a connection that
/// failed. Over gRPC it would also drop the number of rejected spans. So the transport does all of that for both
/// protocols, and the exporter sees a request that was taken or refused.
pub(super) struct Client {
    transport: RenewedTransport,
    /// Why the last request was refused. The exporter replaces the error of a client by "network error".
    refusal: Mutex<Option<String>>,
}

impl Client {
    /// # Errors
    /// The setting that cannot be used, and why.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        Ok(Self { transport: RenewedTransport::new(target, Signal::Traces)?, refusal: Mutex::default() })
    }

    /// Why the last request was refused; `None` if it was not, or if the reason was taken already.
    pub(super) fn take_refusal(&self) -> Option<String> {
        lock(&self.refusal).take()
    }

    async fn send(&self, body: Bytes) -> Result<(), Refused> {
        let transport = self.transport.latest().await;
        let mut attempts = Attempts::until(Instant::now() + PATIENCE);
        loop {
            match attempts.make(transport.send(body.clone())).await {
                Ok(taken) => {
                    taken.log();
                    return Ok(());
                }
                Err(refused) if attempts.pause(refused.again).await => {}
                Err(refused) => return Err(refused),
            }
        }
    }
}

/// Nothing of the endpoint or of the headers is shown, because both may hold credentials.
impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Client {
    /// Sends the body alone. The headers of the request may come from the environment, and its URL is no endpoint.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request.into_body()).await.map_err(|refused| plain(&refused.words));
        let mut refusal = lock(&self.refusal);
        *refusal = sent.as_ref().err().cloned();
        // An empty response of OTLP: the rejected spans are logged already.
        sent.map(|()| Response::new(Bytes::new())).map_err(HttpError::from)
    }
}
