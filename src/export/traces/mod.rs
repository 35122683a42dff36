//! Heartbeats as traces, sent by OpenTelemetry's own exporter.
//!
//! A trace is written when its heartbeat has ended: what became of it decides whether it is told. So spans are not
//! recorded but made, and the part of the SDK that samples and collects is not needed.

mod spans;

use std::collections::HashMap;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Compression, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};

use super::otlp::{resource, transport};
use crate::{config::Target, probe::heartbeat::trace::Told};

/// Sends traces.
pub struct Exporter {
    native: SpanExporter,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Prepares everything; connects with the first export. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What of the settings cannot be used, in words.
    pub fn new(target: &Target, instance: &str) -> Result<Self, String> {
        let built = if target.grpc { grpc(target) } else { http(target) };
        let mut native = built.map_err(|words| format!("[otlp] {words}"))?;
        let resource = resource(target, instance).into_iter().map(|(name, value)| KeyValue::new(name, value));
        native.set_resource(&Resource::builder_empty().with_attributes(resource).build());
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self { native, scope })
    }

    /// Sends heartbeats in one request. What fails in a way that may pass is tried again a few times.
    ///
    /// # Errors
    /// Why it was given up, in words.
    pub async fn export(&self, told: &[Told]) -> Result<(), String> {
        let spans = told.iter().flat_map(|told| spans::spans(told, &self.scope)).collect();
        self.native.export(spans).await.map_err(|error| error.to_string())
    }
}

fn grpc(target: &Target) -> Result<SpanExporter, String> {
    let (endpoint, metadata) = transport::server(target)?;
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_channel(endpoint.connect_lazy())
        .with_metadata(metadata)
        .with_timeout(target.timeout);
    if target.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    builder.build().map_err(|error| error.to_string())
}

fn http(target: &Target) -> Result<SpanExporter, String> {
    let (client, url) = transport::client(target)?;
    let headers: HashMap<_, _> = target.headers.0.iter().cloned().collect();
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(url)
        .with_headers(headers)
        .with_timeout(target.timeout);
    if target.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    builder.build().map_err(|error| error.to_string())
}
