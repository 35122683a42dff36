//! All series at once.

use std::collections::BTreeMap;

use super::{blocks::Blocks, format::Format, parts::Parts};
use crate::metrics::Series;

/// Writes all series. `constant` labels go before the labels of every series.
pub fn encode(series: &[Series<'_>], constant: &BTreeMap<String, String>, format: Format) -> Vec<u8> {
    let mut blocks = Blocks::new(constant, format);
    series.iter().for_each(|one| blocks.write(one));
    Parts::of(&[&blocks.done()], format).plain().concat()
}
