//! The service's own requests to Kafka as series.

use crate::{
    board::Readings,
    catalog::requests as c,
    kafka::Capability,
    metrics::{
        Series, Value,
        values::{flag, text},
    },
};

/// Requests that need a permission, and what is counted of all requests.
pub(super) fn requests<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let name: &'a str = &readings.name;
    for (request, now) in readings.capabilities() {
        for state in Capability::ALL {
            let labels = [text(name), text(request.as_str()), text(state.as_str())];
            series.push(c::CAPABILITY.series(labels, flag(state == now)));
        }
    }
    series.push(c::REQUESTS.series([text(name)], Value::Count(readings.requests)));
    series.push(c::VIOLATIONS.series([text(name)], Value::Count(readings.violations)));
    for (api, time) in &readings.throttled {
        series.push(c::REQUEST_THROTTLE.series([text(name), text(api)], Value::Number(time.as_secs_f64())));
    }
}
