//! The windows and the burn rates of the alerts, from the SRE workbook, for a budget of thirty days.

/// The windows of the recording rules.
pub(super) const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// A burn rate that an alert fires at. It must hold in the long window and, so that the alert ends soon after the trouble,
/// in the short one.
pub(super) struct Burn {
    pub(super) long: &'static str,
    pub(super) short: &'static str,
    /// The limit of the error ratio, as a multiple of the budget.
    pub(super) factor: &'static str,
}

/// Burn rates that wake a person: 2 % of the budget in one hour, or 5 % in six hours.
pub(super) const PAGE: [Burn; 2] =
    [Burn { long: "1h", short: "5m", factor: "14.4" }, Burn { long: "6h", short: "30m", factor: "6" }];

/// Burn rates that can wait until the morning: 10 % of the budget in one day or in three days.
pub(super) const TICKET: [Burn; 2] =
    [Burn { long: "1d", short: "2h", factor: "3" }, Burn { long: "3d", short: "6h", factor: "1" }];
