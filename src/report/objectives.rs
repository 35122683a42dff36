//! Whether an objective was kept, and what is left of its error budget.

use serde::Serialize;

/// What an objective is about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "objective", rename_all = "snake_case")]
pub enum Objective {
    /// Heartbeats that come back by their deadline.
    Availability,
    /// Heartbeats that come back within this time.
    Latency {
        /// The time in seconds.
        limit_seconds: f64,
    },
    /// Heartbeats that are acknowledged by their deadline.
    Produce,
}

/// How an objective compares with what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kept {
    /// What the objective is about.
    #[serde(flatten)]
    pub objective: Objective,
    /// The objective in percent.
    pub objective_percent: f64,
    /// The number of heartbeats that were judged.
    pub judged: u64,
    /// The number of heartbeats that kept to it.
    pub good: u64,
    /// The number of heartbeats that may have kept to it: their latency is in the bucket that holds the limit.
    pub uncertain: u64,
}

impl Kept {
    /// The percentage that kept to the objective, from the lowest to the highest that is possible. `None` without heartbeats.
    pub fn percent(&self) -> Option<(f64, f64)> {
        let part = |good: u64| 100.0 * good as f64 / self.judged as f64;
        (self.judged > 0).then(|| (part(self.good), part(self.good.saturating_add(self.uncertain))))
    }

    /// The number of heartbeats that may miss the objective: the error budget. `None` without heartbeats.
    pub fn budget(&self) -> Option<f64> {
        let budget = (100.0 - self.objective_percent) / 100.0 * self.judged as f64;
        // The difference to 100 is not exact in binary numbers: a thousandth of a heartbeat is no heartbeat.
        (self.judged > 0).then(|| (budget * 1e3).round() / 1e3)
    }

    /// The number of heartbeats that missed the objective, from the lowest to the highest that is possible.
    pub fn missed(&self) -> (u64, u64) {
        let most = self.judged.saturating_sub(self.good);
        (most.saturating_sub(self.uncertain), most)
    }

    /// Whether the objective was met. `None` without heartbeats, and if the latencies are not known well enough.
    pub fn is_met(&self) -> Option<bool> {
        let budget = self.budget()?;
        let (least, most) = self.missed();
        match (least as f64 <= budget, most as f64 <= budget) {
            (true, true) => Some(true),
            (false, false) => Some(false),
            _ => None,
        }
    }

    /// The percentage of the error budget that is left, from the lowest to the highest that is possible; negative if more was used
    /// than there is. `None` without heartbeats.
    pub fn budget_left_percent(&self) -> Option<(f64, f64)> {
        let budget = self.budget().filter(|budget| *budget > 0.0)?;
        let (least, most) = self.missed();
        let left = |missed: u64| 100.0 * (1.0 - missed as f64 / budget);
        Some((left(most), left(least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(judged: u64, good: u64, uncertain: u64) -> Kept {
        Kept { objective: Objective::Availability, objective_percent: 99.9, judged, good, uncertain }
    }

    #[test]
    fn error_budget_is_what_the_objective_leaves_of_the_judged_heartbeats() {
        let exact = kept(1_000_000, 999_000, 0);
        assert_eq!((exact.budget(), exact.is_met()), (Some(1000.0), Some(true)));
        assert_eq!(exact.budget_left_percent(), Some((0.0, 0.0)));
        assert_eq!(kept(1_000_000, 998_999, 0).is_met(), Some(false));
        assert_eq!(kept(1_000_000, 999_750, 0).budget_left_percent(), Some((75.0, 75.0)));
        assert_eq!(kept(1_000_000, 998_000, 0).budget_left_percent(), Some((-100.0, -100.0)));
    }

    #[test]
    fn objective_without_heartbeats_is_neither_met_nor_missed() {
        let none = kept(0, 0, 0);
        assert_eq!((none.percent(), none.budget(), none.is_met()), (None, None, None));
        assert_eq!(none.budget_left_percent(), None);
    }

    #[test]
    fn latencies_near_the_limit_leave_the_answer_open_only_if_they_decide_it() {
        assert_eq!(kept(1000, 998, 2).is_met(), None);
        assert_eq!(kept(1000, 999, 1).is_met(), Some(true));
        assert_eq!(kept(1000, 900, 2).is_met(), Some(false));
    }
}
