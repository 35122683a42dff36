//! The report on a month: how well clusters worked, for management and for a vendor who has promised availability.
//!
//! [`ClusterMonth`] is what one instance measured of one cluster: the days of the month and its incidents, as the history keeps them
//! for three years. [`Report`] puts the months of several instances together. Each format is written from the same report.

mod calendar;
mod check;
mod csv;
mod document;
mod facts;
mod format;
mod html;
mod instants;
mod json;
mod markdown;
mod merge;
mod method;
mod objectives;
mod sections;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod words;

pub use self::{
    calendar::Month,
    facts::{
        BadMinute, Blame, ClusterMonth, Day, Heartbeats, Incident, LatencyPromise, Promises, Sketch, Source,
    },
    format::Format,
    json::month_json,
    merge::{ClusterReport, Merged, Report, WorstMinute},
    objectives::{Kept, Objective},
    summary::{Latency, Summary},
};
