//! Heartbeats as traces, sent over the same transport as series.
//!
//! A trace is written when its heartbeat has ended: what became of it decides whether it is sent. So spans are not
//! recorded but made, and of OpenTelemetry's SDK only the types and their encoding are needed.

mod spans;

use std::time::Duration;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::Resource;
use prost::Message;
use tokio::time::Instant;

use super::otlp::{
    attempts::Attempts,
    plain, resource,
    transport::{Signal, Transport},
};
use crate::{config::Target, probe::heartbeat::trace::Told};

/// For the attempts at one request: three, if the collector answers at once.
const PATIENCE: Duration = Duration::from_secs(8);

/// Sends traces.
pub struct Exporter {
    transport: Transport,
    resource: ResourceAttributesWithSchema,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Prepares everything; connects with the first export. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What of the settings cannot be used, in words.
    pub fn new(target: &Target, instance: &str) -> Result<Self, String> {
        let transport = Transport::new(target, Signal::Traces).map_err(|words| format!("[otlp] {words}"))?;
        let resource = resource(target, instance).into_iter().map(|(name, value)| KeyValue::new(name, value));
        let resource = (&Resource::builder_empty().with_attributes(resource).build()).into();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self { transport, resource, scope })
    }

    /// Sends heartbeats in one request. What fails in a way that may pass is tried again a few times.
    ///
    /// # Errors
    /// Why it was given up, in words.
    pub async fn export(&self, told: &[Told]) -> Result<(), String> {
        let spans = told.iter().flat_map(|told| spans::spans(told, &self.scope)).collect();
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = bytes::Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let mut attempts = Attempts::until(Instant::now() + PATIENCE);
        loop {
            match attempts.make(self.transport.send(body.clone())).await {
                Ok(taken) => {
                    taken.log();
                    return Ok(());
                }
                Err(refused) if attempts.pause(refused.again).await => {}
                Err(refused) => return Err(plain(&refused.words)),
            }
        }
    }
}
