//! Latencies: exact classic and exponential buckets for series, HDR histograms for percentiles.
//!
//! A duration is put into its bucket when it is recorded, so every `le` count is exact; percentiles
//! of the last one and five minutes come from a ring of HDR histograms. Nothing here is reset by
//! being read, so any number of readers see the same numbers.

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
