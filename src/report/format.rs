//! The formats of a report.

use clap::ValueEnum;

use super::{csv::csv, html::html, json::json, markdown::markdown, merge::Report};

/// A format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One file for browsers and for paper.
    Html,
    /// Markdown, for tickets and wikis.
    Md,
    /// The days as a table, for spreadsheets.
    Csv,
    /// Everything, for programs.
    Json,
}

impl Format {
    /// The report in this format. It ends with an end of line.
    ///
    /// # Errors
    /// The report cannot be written: the reason, in words. None are known.
    pub fn write(self, report: &Report) -> Result<String, String> {
        match self {
            Self::Html => html(report),
            Self::Md => Ok(markdown(report)),
            Self::Csv => Ok(csv(report)),
            Self::Json => serde_json::to_string_pretty(&json(report))
                .map(|text| text + "\n")
                .map_err(|error| error.to_string()),
        }
    }
}
