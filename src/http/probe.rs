//! `/probe`: checks a broker that the request names, as Prometheus asks a blackbox exporter.

use std::time::Duration;

use axum::{
    extract::{Query, State as Extract, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{form::Form, state::Shared};
use crate::{
    export::prometheus,
    metrics::render,
    probe::target::{MAX_PROBES, Refusal},
    text::plain,
};

/// The header in which Prometheus sends the time limit of a scrape, in seconds.
const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// The answer of a probe comes so much earlier than the time limit of the scrape, so that the scrape does not fail.
const OFFSET: Duration = Duration::from_millis(500);

/// The time limits of scrapes that are taken, in seconds. A longer one is longer than that of every module.
const SECONDS: std::ops::RangeInclusive<f64> = 0.001..=86_400.0;

/// `?target=HOST:PORT&module=NAME`
#[derive(Debug, Deserialize)]
pub(super) struct ProbeQuery {
    /// The broker to check.
    target: Option<String>,
    /// The name of a module of the configuration.
    module: Option<String>,
}

/// 200 with what the probe found, 400 for a request without a probe, 503 if too many probes run.
pub(super) async fn probe(
    Extract(state): Extract<Shared>,
    headers: HeaderMap,
    query: Result<Query<ProbeQuery>, QueryRejection>,
) -> Response {
    let Ok(Query(ProbeQuery { target, module })) = query else {
        return bad_request("target, module: name each of them once: /probe?target=HOST:PORT&module=NAME");
    };
    let Some(module) = module else {
        return bad_request(
            "module: name a section [module:NAME] of the configuration: /probe?target=HOST:PORT&module=NAME",
        );
    };
    let Some(target) = target else {
        return bad_request("target: name a broker: /probe?target=HOST:PORT&module=NAME");
    };
    let Ok(limit) = limit(&headers) else {
        return bad_request(
            "X-Prometheus-Scrape-Timeout-Seconds: expected a number of seconds above 0, for example 10",
        );
    };
    match state.modules.probe(&module, &target, limit).await {
        Err(refusal) => refused(&refusal, &module, &target),
        Ok(report) => {
            let format = Form::of(&headers).format;
            let body = prometheus::encode_probe(&render::target(&report), &state.labels, format);
            let kind = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
            (kind, body).into_response()
        }
    }
}

/// The time limit of a probe by the header of the scrape. `None` without the header.
///
/// # Errors
/// The header holds no time limit.
fn limit(headers: &HeaderMap) -> Result<Option<Duration>, ()> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| SECONDS.contains(seconds)).ok_or(())?;
    let whole = Duration::from_secs_f64(seconds);
    // Half of a limit that is too short for the offset: the answer has a chance to come in time.
    Ok(Some(whole.saturating_sub(OFFSET).max(whole / 2).min(whole)))
}

/// The answer to a request that is not answered with a report.
fn refused(refusal: &Refusal, module: &str, target: &str) -> Response {
    let (module, target) = (plain(module), plain(target));
    match refusal {
        Refusal::UnknownModule(known) if known.is_empty() => bad_request(
            "module: no module is configured: write a section [module:NAME] with targets into the configuration",
        ),
        Refusal::UnknownModule(known) => bad_request(&format!(
            "module: the configuration has no section [module:{module}]; its modules are {}",
            known.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")
        )),
        Refusal::NoAddress => {
            bad_request(&format!("target: expected HOST:PORT, for example broker-1:9092, found {target:?}"))
        }
        Refusal::NotAllowed(address) => bad_request(&format!(
            "target: targets of [module:{module}] do not allow {address}: extend the regular expression, or choose another module"
        )),
        Refusal::Busy => busy(&format!(
            "{MAX_PROBES} probes run, and no more may run at the same time: ask again, less often or with a shorter timeout in [module:{module}]"
        )),
        Refusal::StillRunning => busy(&format!(
            "another request began a probe of {target} with a longer time limit: give all scrapes of a target the same scrape_timeout"
        )),
    }
}

fn bad_request(words: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{words}\n")).into_response()
}

fn busy(words: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], format!("{words}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limit_of_a_scrape_leaves_half_a_second_for_the_answer() {
        let of = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([(TIMEOUT.parse().expect("a name"), value.parse().expect("a value"))]);
            limit(&headers).map(|limit| limit.expect("a limit").as_millis())
        };
        for (value, millis) in [("10", 9500), ("1.5", 1000), ("1", 500), ("0.6", 300), ("0.2", 100)] {
            assert_eq!(of(value), Ok(millis), "{value}");
        }
        for value in ["", "x", "0", "-1", "NaN", "inf", "1e9"] {
            assert_eq!(of(value), Err(()), "{value}");
        }
        assert_eq!(limit(&HeaderMap::new()), Ok(None));
    }
}
