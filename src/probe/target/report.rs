//! What a probe found.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    closed_enum::closed_enum,
    kafka::{BrokerId, Error, Fault, Stage},
};

closed_enum! {
    /// A stage of a probe. The stages run in this order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum ProbeStage {
        /// The lookup of the host name.
        Dns = "dns",
        /// The TCP connection.
        Tcp = "tcp",
        /// The TLS handshake. Modules without TLS do not have this stage.
        Tls = "tls",
        /// The request for the versions that the broker understands.
        ApiVersions = "api_versions",
        /// The SASL login. Modules without SASL do not have this stage.
        Sasl = "sasl",
        /// The request for the brokers of the cluster.
        Metadata = "metadata",
    }
}

impl From<Stage> for ProbeStage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Dns => Self::Dns,
            Stage::Tcp => Self::Tcp,
            Stage::Tls => Self::Tls,
            Stage::ApiVersions => Self::ApiVersions,
            Stage::Sasl => Self::Sasl,
        }
    }
}

/// The stage that failed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The stage that failed. The later stages were not begun.
    pub stage: ProbeStage,
    /// The kind of the failure.
    pub fault: Fault,
}

impl Failure {
    /// The failure of a session.
    pub(super) fn of_session(error: &Error) -> Self {
        Self { stage: error.stage().unwrap_or(Stage::Dns).into(), fault: error.fault() }
    }
}

/// The cluster as the target describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The number of brokers in the metadata.
    pub brokers: usize,
    /// The controller, or a random live broker under KRaft. `None` while there is none.
    pub controller: Option<BrokerId>,
    /// Kafka's own id of the cluster, made fit for a label. `None` if the target does not report it.
    pub cluster_id: Option<String>,
}

closed_enum! {
    /// Why a broker of the metadata was not checked.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum NotChecked {
        /// The `targets` of the module do not allow its address, or the address is none.
        NotAllowed = "not_allowed",
        /// The metadata list more brokers than one probe checks.
        Limit = "limit",
        /// The probe ended before it was the broker's turn.
        Time = "time",
    }
}

/// What a probe found at one broker of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerCheck {
    /// The session was opened within this time.
    Good(Duration),
    /// The session could not be opened.
    Failed(Failure),
    /// No session was tried.
    NotChecked(NotChecked),
}

/// What a probe found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The time from the beginning of the probe to its end.
    pub duration: Duration,
    /// The completed stages in their order, with the duration of each.
    pub stages: Vec<(ProbeStage, Duration)>,
    /// The failure of the target. `None` if it completed every stage.
    pub failure: Option<Failure>,
    /// The earliest expiry in the certificate chain of the target, even if the chain is not trusted. `None` if the target sent no
    /// certificate.
    pub certificate_expiry: Option<SystemTime>,
    /// The cluster; `None` unless the target described it.
    pub described: Option<Described>,
    /// The brokers of the metadata, if the module checks them. If the metadata list more brokers than one probe checks, the first of
    /// the others is in the list as well.
    pub brokers: BTreeMap<BrokerId, BrokerCheck>,
}

impl Report {
    /// Whether the target completed every stage, and each broker of the metadata was checked and works, if the module checks them.
    pub fn is_success(&self) -> bool {
        let is_good = |check: &BrokerCheck| matches!(check, BrokerCheck::Good(_));
        self.failure.is_none() && self.brokers.values().all(is_good)
    }
}
