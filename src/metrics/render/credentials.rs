//! Credentials that are renewed, as series.

use std::collections::BTreeMap;

use crate::{
    board::Readings,
    catalog::credentials as c,
    kafka::Credential,
    metrics::{
        Series, Value,
        values::{text, unix},
    },
};

/// The expiry of the cluster's credentials, their renewals and the requests to the identity provider.
pub(super) fn credentials<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    for credential in readings.credential.iter().chain(&readings.file_credentials) {
        of_one(&readings.name, credential, series);
    }
}

fn of_one<'a>(name: &'a str, credential: &'a Credential, series: &mut Vec<Series<'a>>) {
    let kind = credential.kind.as_str();
    series.extend(credential.expires.map(|at| c::EXPIRY.series([text(name), text(kind)], unix(at))));
    let usual = credential.kind.faults().iter().map(|fault| (*fault, 0));
    let failures: BTreeMap<_, _> = usual.chain(credential.failures.clone()).collect();
    let failures = failures.into_iter().map(|(fault, count)| (fault.as_str(), count));
    for (result, count) in [("ok", credential.renewals)].into_iter().chain(failures) {
        let labels = [text(name), text(kind), text(result)];
        series.push(c::RENEWALS.series(labels, Value::Count(count)));
    }
    series.extend(credential.fetches.as_ref().map(|all| c::FETCH.series([text(name)], Value::Buckets(all))));
    let clock = credential.clock_difference.map(Value::Number);
    series.extend(clock.map(|difference| c::CLOCK.series([text(name)], difference)));
}
