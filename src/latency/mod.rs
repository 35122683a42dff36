//! Latencies: exact classic and exponential buckets for series, and HDR histograms for percentiles.
//!
//! A duration is put into its bucket when it is recorded, so every `le` count is exact. Percentiles of the last one and
//! five minutes come from a ring of HDR histograms. Reading resets nothing, so all consumers of the numbers see the same.

mod buckets;
mod exemplar;
pub mod exponential;
mod recent;
mod shared;

pub use self::{
    buckets::{Bounds, Buckets},
    exemplar::{Exemplar, SpanContext},
    exponential::Exponential,
    recent::{Recent, RecentMean, Summary},
    shared::SharedBuckets,
};
