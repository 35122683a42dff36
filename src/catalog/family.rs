//! What a family of metrics is: its name, kind, labels and help.

/// What kind of numbers a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in seconds.
    Histogram,
    /// Is always 1; its labels are the value.
    Info,
    /// A counter whose name does not end in `_total`: `counter` in the text format, `unknown` in OpenMetrics.
    LegacyCounter,
}

/// What is known of a family without its label values.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// The exposed name, letter for letter.
    pub name: &'static str,
    /// The kind.
    pub kind: Kind,
    /// Names of the labels, in order.
    pub labels: &'static [&'static str],
    /// What the number means, and when it is absent.
    pub help: &'static str,
}

/// A family with `N` labels: a wrong number of label values does not compile.
#[derive(Debug)]
pub struct Family<const N: usize> {
    /// The description.
    pub description: Description,
}

/// Declares a family.
pub(super) const fn family<const N: usize>(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str; N],
    help: &'static str,
) -> Family<N> {
    Family { description: Description { name, kind, labels, help } }
}

/// Declares the families of a file, and `ALL`: the list of them, in the order in which they are declared and served.
macro_rules! families {
    ($($(#[$attribute:meta])* pub static $name:ident: Family<$labels:literal> = $family:expr;)*) => {
        $($(#[$attribute])* pub static $name: Family<$labels> = $family;)*

        /// Every family of this file, in the order in which they are served.
        pub static ALL: &[&$crate::catalog::Description] = &[$(&$name.description),*];
    };
}
