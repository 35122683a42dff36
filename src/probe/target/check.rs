//! One probe: a fresh session with the target, stage by stage, and the metadata of the target.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{
    address::Address,
    brokers::{self, MAX_BROKERS},
    report::{Described, Failure, ProbeStage, Report},
};
use crate::{
    config::{self, Brokers},
    kafka::{
        Error, Fault,
        admin::{self, Metadata},
        wire::{Client, Connection, open_until},
    },
    text::{Chain, plain},
};

/// Checks a target until the deadline. The connections are closed at the end.
pub(super) async fn check(
    module: &config::Module,
    client: &Client,
    target: &Address,
    deadline: Instant,
) -> Report {
    let begun = Instant::now();
    let opening = open_until(client, target.endpoint(), deadline).await;
    let mut report = Report {
        duration: begun.elapsed(),
        stages: opening.stages.into_iter().map(|(stage, took)| (stage.into(), took)).collect(),
        failure: None,
        certificate_expiry: opening.certificate_expiry,
        described: None,
        brokers: BTreeMap::new(),
    };
    match opening.result {
        Err(error) => report.failure = Some(failed(module, target, Failure::of_session(&error), &error)),
        Ok(session) => match describe(session, deadline).await {
            Err(error) => {
                let failure = Failure { stage: ProbeStage::Metadata, fault: error.fault() };
                report.failure = Some(failed(module, target, failure, &error));
            }
            Ok(metadata) => {
                report.stages.push((ProbeStage::Metadata, metadata.duration));
                report.described = Some(described(&metadata));
                // The rest of a hostile answer is freed before the brokers are checked.
                let listed = metadata.brokers.into_iter().take(MAX_BROKERS + 1).collect();
                if module.brokers == Brokers::All {
                    report.brokers = brokers::check(client, &module.targets, &listed, deadline).await;
                }
            }
        },
    }
    report.duration = begun.elapsed();
    report
}

/// Asks the target for the brokers of its cluster, and closes the session.
///
/// # Errors
/// When the target did not answer, or when it lists no broker: no client can work then.
async fn describe(session: Connection, deadline: Instant) -> Result<Metadata, Error> {
    let metadata = admin::brokers_of_broker(&session, deadline).await?;
    if metadata.brokers.is_empty() {
        return Err(Error::new(Fault::NotReady, "the metadata list no broker"));
    }
    Ok(metadata)
}

fn described(metadata: &Metadata) -> Described {
    Described {
        brokers: metadata.brokers.len(),
        controller: metadata.controller,
        cluster_id: metadata.cluster_id.as_deref().map(plain),
    }
}

/// Logs the text of a failure for people who look for its reason. The answer has only the stage and the fault.
fn failed(module: &config::Module, target: &Address, failure: Failure, error: &Error) -> Failure {
    let (module, stage, fault) = (&module.name, failure.stage.as_str(), failure.fault.as_str());
    tracing::debug!(module, %target, stage, fault, hint = failure.fault.hint(), "probe failed: {}", Chain(error));
    failure
}
