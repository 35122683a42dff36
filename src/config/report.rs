//! `[report]`: a JSON file with the lag and the state of each group and topic.

use std::{path::PathBuf, time::Duration};

use super::reader::Reader;

/// `[report]`
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// The time from one writing to the next.
    pub interval: Duration,
}

impl Report {
    /// The settings of the report; `None` without a path.
    pub(super) fn read(mut report: Reader<'_>) -> Option<Self> {
        let interval = report.duration("interval");
        Some(Self { path: report.path("path")?, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::config;

    #[test]
    fn report_without_a_path_is_not_written() {
        assert!(config(&[("report", "interval", "2m")]).report.is_none());
        let report = config(&[("report", "path", "r.json")]).report.expect("a path is set");
        assert_eq!((report.path.to_str(), report.interval.as_secs()), (Some("r.json"), 60));
    }
}
