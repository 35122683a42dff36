//! The report as one HTML file, which loads nothing and prints on A4.

use askama::Template;

use super::{
    document::{Bar, Block},
    merge::Report,
    sections::{sections, title},
};

/// The width of a day in the picture, and of its bar, in the units of the drawing.
const STEP: usize = 24;
const BAR: usize = 20;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    blocks: Vec<Block>,
}

/// The report as HTML.
///
/// # Errors
/// The page cannot be written: the reason, in words. None are known.
pub(super) fn html(report: &Report) -> Result<String, String> {
    let page = Page { title: title(report), blocks: sections(report) };
    page.render().map_err(|error| error.to_string())
}

impl Bar {
    /// The left side of the bar.
    fn x(&self) -> usize {
        STEP * (self.number - 1)
    }

    /// The middle of the bar.
    fn middle(&self) -> usize {
        self.x() + BAR / 2
    }
}
