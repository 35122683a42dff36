//! Series: what every output is made of.
//!
//! [`crate::catalog`] declares the families, `render` and `compat` turn snapshots into series, and the encoders in
//! `export` turn series into bytes. All of it is pure. Large values are borrowed from the snapshots.

mod cluster_label;
pub mod compat;
pub mod render;
mod series;
mod values;

pub use cluster_label::ClusterLabel;
pub use series::{Label, Series, Sink, Value};
