//! A document without a format: what each format writes in its own way.

/// A part of a document. No text holds a control character.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// A heading of the level 2 or 3.
    Heading {
        level: usize,
        text: String,
    },
    /// Whole sentences.
    Paragraph(String),
    /// A short list of whole sentences.
    List(Vec<String>),
    Table(Table),
    /// The days of a month as a picture.
    Strip(Strip),
}

/// A table. Every row has as many cells as the header.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Table {
    /// What the table shows, for people who do not see it.
    pub(super) caption: String,
    pub(super) header: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The header of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Whether the column holds numbers, which are written to the right.
    pub(super) is_number: bool,
}

/// A picture of the days of a month.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Strip {
    /// What the picture shows, in a sentence.
    pub(super) words: String,
    pub(super) days: Vec<Bar>,
}

/// A day in a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// The number of the day in its month.
    pub(super) number: usize,
    /// The name of its colour.
    pub(super) colour: Colour,
    /// What is known of it, for people who point at it.
    pub(super) words: String,
}

/// How a day was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// No heartbeat was bad.
    Green,
    /// A heartbeat was bad, and the day kept to the objective, or there is none.
    Amber,
    /// The day missed the objective.
    Red,
    /// No heartbeat was judged.
    Grey,
}

impl Colour {
    /// The name of the colour.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Grey => "grey",
        }
    }

    /// A sign for those who do not see the colour.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Green => "",
            Self::Amber => "!",
            Self::Red => "×",
            Self::Grey => "–",
        }
    }
}

/// The header of a table: a name that begins with `#` is one of a column of numbers.
pub(super) fn header(names: &[&'static str]) -> Vec<Column> {
    let column =
        |name: &&'static str| Column { name: name.trim_start_matches('#'), is_number: name.starts_with('#') };
    names.iter().map(column).collect()
}
