//! The tools that rules are written for.

/// The tool that rules are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Recording rules and alerts.
    Prometheus,
    /// Sloth's `prometheus/v1`.
    Sloth,
    /// Pyrra's `ServiceLevelObjective`.
    Pyrra,
    /// `openslo/v1`.
    Openslo,
}
