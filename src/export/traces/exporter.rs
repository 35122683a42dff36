//! The exporter of traces, around the exporter of OpenTelemetry.

use std::sync::Arc;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};

use super::{
    client::{Client, PATIENCE},
    spans,
};
use crate::{
    config::Target, export::otlp::settings::resource, probe::heartbeat::trace_queue::TracedHeartbeat,
};

/// The exporter wants a URL for its requests. [`Client`] does not use it: the transport has the endpoint of the
/// configuration, so that no URL with credentials gets into the exporter.
const NO_ENDPOINT: &str = "http://localhost/v1/traces";

/// Sends traces.
pub struct Exporter {
    native: SpanExporter,
    client: Arc<Client>,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Prepares an exporter, which connects with its first export. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub fn new(target: &Target, instance: &str) -> Result<Self, String> {
        let client = Arc::new(Client::new(target).map_err(|words| format!("[otlp] {words}"))?);
        let mut native = native(client.clone()).map_err(|words| format!("[otlp] {words}"))?;
        let resource = resource(target, instance).into_iter().map(|(name, value)| KeyValue::new(name, value));
        native.set_resource(&Resource::builder_empty().with_attributes(resource).build());
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self { native, client, scope })
    }

    /// Sends heartbeats in one request. A failure that may pass is tried again a few times.
    ///
    /// # Errors
    /// Why the request was given up.
    pub async fn export(&self, heartbeats: &[TracedHeartbeat]) -> Result<(), String> {
        let spans = heartbeats.iter().flat_map(|heartbeat| spans::spans(heartbeat, &self.scope)).collect();
        let exported = self.native.export(spans).await;
        exported.map_err(|error| self.client.take_refusal().unwrap_or_else(|| error.to_string()))
    }
}

/// OpenTelemetry's exporter. It groups and encodes spans; all else is the business of the client.
///
/// Each setting that it would otherwise read from a variable `OTEL_EXPORTER_…` is given here, or has no effect: the
/// client ignores headers, and without the features for compression the exporter packs nothing.
fn native(client: Arc<Client>) -> Result<SpanExporter, String> {
    SpanExporter::builder()
        .with_http()
        .with_shared_http_client(client)
        .with_endpoint(NO_ENDPOINT)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(PATIENCE)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| error.to_string())
}
