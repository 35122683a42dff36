//! The report of a probe of `/probe` as series.

use crate::{
    catalog::target as c,
    kafka::BrokerId,
    metrics::{
        Series, Value,
        values::{flag, text, unix},
    },
    probe::target::{BrokerCheck, Report},
};

/// What a probe found. What it did not measure is absent.
pub fn target(report: &Report) -> Vec<Series<'_>> {
    let mut series = vec![
        c::SUCCESS.series([], flag(report.is_success())),
        c::DURATION.series([], Value::Number(report.duration.as_secs_f64())),
    ];
    for (stage, took) in &report.stages {
        series.push(c::STAGE_DURATION.series([text(stage.as_str())], Value::Number(took.as_secs_f64())));
    }
    if let Some(failure) = report.failure {
        let labels = [text(failure.stage.as_str()), text(failure.fault.as_str())];
        series.push(c::FAILED_STAGE.series(labels, Value::Count(1)));
    }
    if let Some(expiry) = report.certificate_expiry {
        series.push(c::CERTIFICATE_EXPIRY.series([], unix(expiry)));
    }
    if let Some(described) = &report.described {
        series.push(c::BROKERS.series([], Value::Count(described.brokers as u64)));
        let controller = described.controller.map(|BrokerId(id)| Value::Number(f64::from(id)));
        series.extend(controller.map(|id| c::CONTROLLER.series([], id)));
        let cluster = described.cluster_id.as_deref();
        series.extend(cluster.map(|id| c::CLUSTER.series([text(id)], Value::Count(1))));
    }
    for (id, check) in &report.brokers {
        let id = || id.to_string().into();
        match check {
            BrokerCheck::Good(took) => {
                series.push(c::BROKER_SUCCESS.series([id()], flag(true)));
                series.push(c::BROKER_DURATION.series([id()], Value::Number(took.as_secs_f64())));
            }
            BrokerCheck::Failed(failure) => {
                let labels = [id(), text(failure.stage.as_str()), text(failure.fault.as_str())];
                series.push(c::BROKER_SUCCESS.series([id()], flag(false)));
                series.push(c::BROKER_FAILED_STAGE.series(labels, Value::Count(1)));
            }
            BrokerCheck::NotChecked(reason) => {
                let labels = [id(), text(reason.as_str())];
                series.push(c::BROKER_NOT_CHECKED.series(labels, Value::Count(1)));
            }
        }
    }
    series
}
