//! Closed lists whose values are labels: the values, their list and their labels in one definition.
//!
//! A metric carries the label of each value from the start, so a value that is missing in a list would be missing in
//! every output. With [`closed_enum!`] no list is written by hand.

/// Defines an enum, `ALL` with every value in the order of the definition, and `as_str` with the label of a value.
///
/// ```text
/// closed_enum! {
///     /// The direction of a transfer.
///     #[derive(Debug, Clone, Copy)]
///     pub enum Direction {
///         /// From the broker to the client.
///         Received = "received",
///         /// From the client to the broker.
///         Sent = "sent",
///     }
/// }
/// ```
macro_rules! closed_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of_value:meta])* $value:ident = $label:literal),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name {
            $($(#[$of_value])* $value),+
        }

        impl $name {
            /// Every value, in the order of the labels.
            $visibility const ALL: [$name; [$($label),+].len()] = [$($name::$value),+];

            /// The label of the value, in metrics and in JSON.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $($name::$value => $label),+
                }
            }
        }
    };
}

pub(crate) use closed_enum;

#[cfg(test)]
mod tests {
    closed_enum! {
        /// A list with two values.
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum Direction {
            /// The first.
            Received = "received",
            /// The second.
            Sent = "sent",
        }
    }

    #[test]
    fn closed_enum_lists_its_values_with_their_labels() {
        assert_eq!(Direction::ALL, [Direction::Received, Direction::Sent]);
        assert_eq!(Direction::ALL.map(Direction::as_str), ["received", "sent"]);
    }
}
