//! All series at once.

use std::collections::BTreeMap;

use super::{blocks::Blocks, format::Format, parts::Parts};
use crate::{catalog, metrics::Series};

/// Writes all series. `constant` labels go before the labels of every series.
pub fn encode(series: &[Series<'_>], constant: &BTreeMap<String, String>, format: Format) -> Vec<u8> {
    let mut blocks = Blocks::new(constant, format);
    series.iter().for_each(|one| blocks.write(one));
    Parts::of(&[&blocks.done()], format).plain().concat()
}

/// Writes the series of a probe of `/probe`, whose families are not among those of the service itself.
pub fn encode_probe(series: &[Series<'_>], constant: &BTreeMap<String, String>, format: Format) -> Vec<u8> {
    let mut blocks = Blocks::new(constant, format);
    series.iter().for_each(|one| blocks.write(one));
    Parts::in_order(catalog::target::ALL.iter().copied(), &[&blocks.done()], format).plain().concat()
}
