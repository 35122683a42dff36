//! Rules for what the configuration promises: recording rules and alerts for Prometheus, and documents for the tools that
//! write such rules.
//!
//! Names and labels are Sloth's, so that Sloth's dashboards work with them. An alert fires if the budget is spent too fast
//! in a long and in a short window: the multi-window, multi-burn-rate alerts of the SRE workbook, over thirty days.

mod burn;
mod format;
mod promise;
mod promises;
mod rules;

pub use self::{format::Format, rules::rules};
