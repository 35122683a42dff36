//! Sessions with each broker as series.

use std::collections::BTreeMap;

use crate::{
    catalog::cluster as c,
    kafka::{Fault, Stage},
    metrics::{
        Series, Value,
        values::{broker, flag, text, unix},
    },
    probe::connectivity,
};

/// The faults that are common in each stage. They are exposed from the start with 0.
const COMMON_FAILURES: [(Stage, &[Fault]); 5] = [
    (Stage::Dns, &[Fault::Dns, Fault::Timeout]),
    (Stage::Tcp, &[Fault::Refused, Fault::Unreachable, Fault::Timeout]),
    (
        Stage::Tls,
        &[
            Fault::Tls,
            Fault::CertificateExpired,
            Fault::CertificateUnknownCa,
            Fault::CertificateWrongHost,
            Fault::CertificateRefused,
            Fault::Timeout,
        ],
    ),
    (Stage::ApiVersions, &[Fault::Timeout, Fault::Disconnected, Fault::Protocol]),
    (Stage::Sasl, &[Fault::Authentication, Fault::Timeout, Fault::Disconnected]),
];

/// The result of opening a session with each broker.
pub(super) fn connectivity<'a>(
    name: &'a str,
    snapshot: &'a connectivity::Snapshot,
    series: &mut Vec<Series<'a>>,
) {
    for (id, difference) in &snapshot.agreement {
        let differs = flag(difference.is_some());
        series.push(c::METADATA_DIFFERS.series([text(name), broker(Some(*id))], differs));
    }
    for (id, check) in &snapshot.brokers {
        let labels = || [text(name), broker(Some(*id))];
        series.push(c::BROKER_UP.series(labels(), flag(check.up())));
        series.push(c::BROKER_CHECKS.series(labels(), Value::Count(check.checks)));
        let rack = check.rack.as_deref().unwrap_or_default();
        let [cluster, broker_id] = labels();
        let info = [cluster, broker_id, text(&check.host), check.port.to_string().into(), text(rack)];
        series.push(c::BROKER_INFO.series(info, Value::Count(1)));
        if let Some(expiry) = check.certificate_expiry {
            series.push(c::CERTIFICATE_EXPIRY.series(labels(), unix(expiry)));
        }
        for ((stage, fault), count) in failures(check) {
            let [name, broker] = labels();
            let labels = [name, broker, text(stage.as_str()), text(fault.as_str())];
            series.push(c::BROKER_CHECK_FAILURES.series(labels, Value::Count(count)));
        }
        let stages = check.durations.iter().map(|(stage, buckets)| (stage.as_str(), buckets));
        for (stage, buckets) in stages.chain([("total", &check.totals)]) {
            let [name, broker] = labels();
            series.push(c::BROKER_CONNECT.series([name, broker, text(stage)], Value::Buckets(buckets)));
        }
    }
}

/// The failures that happened, and 0 for the common faults of the stages that sessions with this broker have.
fn failures(check: &connectivity::Check) -> BTreeMap<(Stage, Fault), u64> {
    let has = |stage: Stage| {
        !matches!(stage, Stage::Tls | Stage::Sasl)
            || check.durations.contains_key(&stage)
            || check.failures.keys().any(|(failed, _)| *failed == stage)
    };
    let common = COMMON_FAILURES.into_iter().filter(|(stage, _)| has(*stage));
    let mut failures: BTreeMap<_, _> =
        common.flat_map(|(stage, faults)| faults.iter().map(move |fault| ((stage, *fault), 0))).collect();
    failures.extend(&check.failures);
    failures
}
