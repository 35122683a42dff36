//! Whether the collection cycle is alive, as series.

use crate::{
    board::Readings,
    catalog::collect as c,
    metrics::{
        Series,
        values::{flag, text, unix},
    },
};

/// Whether groups are collected, and since when; exposed also while the collection fails, but not while another instance collects.
pub(super) fn liveness<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    if readings.settings.lag.enabled && !readings.collect.waits {
        let at = || [text(&readings.name)];
        series.push(c::EXPORTER_UP.series(at(), flag(readings.collect.fresh().is_some())));
        let update = readings.collect.succeeded;
        series.extend(update.map(|update| c::EXPORTER_UPDATE.series(at(), unix(update))));
    }
}
