//! What was measured of the heartbeats of a cluster, kept by minute, by quarter of an hour and by day.
//!
//! A [`Recorder`] reads the counters of the heartbeats and adds their growth to the interval of the moment. So the sums of all
//! intervals equal the counters. Time in which this process did not run, or could not measure, is in no interval: it is never
//! good, and never bad. A [`Timeline`] keeps the intervals, and the incidents of the same time.

mod archive;
mod audit;
mod counts;
mod encoding;
mod incident;
mod interval;
mod minutes;
mod recorder;
mod task;
#[cfg(test)]
mod tests;
mod timeline;

pub use self::{
    archive::Archive,
    audit::Audit,
    counts::Counts,
    incident::{Blamed, Ending, Incident},
    interval::{Interval, Resolution},
    minutes::{BadMinute, MINUTES_OF_A_DAY, Minutes},
    recorder::{Look, Observed, Recorder},
    task::{Inputs, run},
    timeline::Timeline,
};
