//! Months of UTC.
//!
//! A day has 86,400 seconds since 1970, whatever the clocks on walls do: UTC has no daylight saving, and a leap second has no number
//! in seconds since 1970, so it is in no day.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::instants;

/// The length of a day in seconds.
pub(super) const DAY: i64 = 86_400;

const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A month of the Gregorian calendar in UTC, from January 1970 to December 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i64,
    /// 1 for January.
    month: i64,
}

impl Month {
    /// Reads a month as `2026-11`.
    ///
    /// # Errors
    /// The text is no month: the reason, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "expected a year and a month from 1970-01 on, such as 2026-11".to_owned();
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        let number = |digits: &str, length: usize| {
            let is_number = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse::<i64>().ok()).flatten()
        };
        let (year, month) = number(year, 4).zip(number(month, 2)).ok_or_else(wrong)?;
        ((1970..=9999).contains(&year) && (1..=12).contains(&month))
            .then_some(Self { year, month })
            .ok_or_else(wrong)
    }

    /// The month that holds this time, in seconds since 1970. A time before 1970 is in the first month.
    pub fn of(seconds: i64) -> Self {
        let text: String = instants::seconds_text(seconds).chars().take("2026-11".len()).collect();
        Self::parse(&text).unwrap_or(Self { year: 1970, month: 1 })
    }

    /// Its beginning in seconds since 1970.
    pub fn begin(self) -> i64 {
        DAY * days_before(self.year, self.month)
    }

    /// Its end, which is the beginning of the next month, in seconds since 1970.
    pub fn end(self) -> i64 {
        let next = if self.month == 12 { (self.year + 1, 1) } else { (self.year, self.month + 1) };
        DAY * days_before(next.0, next.1)
    }

    /// The number of its days.
    pub fn days(self) -> i64 {
        (self.end() - self.begin()) / DAY
    }

    /// Its name in words, such as "November 2026".
    pub fn name(self) -> String {
        let name = usize::try_from(self.month - 1).ok().and_then(|place| NAMES.get(place));
        format!("{} {}", name.unwrap_or(&""), self.year)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl TryFrom<String> for Month {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

/// The number of days from 1970-01-01 to the first of this month.
fn days_before(year: i64, month: i64) -> i64 {
    // Years that begin in March have the leap day at their end.
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * months + 2) / 5;
    // 1970-01-01 by the same count.
    days - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        Month::parse(text).expect(text)
    }

    #[test]
    fn month_begins_and_ends_at_midnight_of_utc() {
        let time = |seconds: i64| {
            let at = crate::clock::from_unix_seconds(seconds).expect("after 1970");
            humantime::format_rfc3339_seconds(at).to_string()
        };
        let mut text = String::from("1970-01");
        while text != "2400-03" {
            let this = month(&text);
            assert_eq!(time(this.begin()), format!("{text}-01T00:00:00Z"));
            let (year, number) = text.split_once('-').expect("both");
            let (year, number): (i64, i64) =
                (year.parse().expect("a year"), number.parse().expect("a month"));
            text =
                if number == 12 { format!("{}-01", year + 1) } else { format!("{year}-{:02}", number + 1) };
            assert_eq!(time(this.end()), format!("{text}-01T00:00:00Z"));
        }
    }

    #[test]
    fn leap_years_leap_seconds_and_daylight_saving_leave_days_of_86400_seconds() {
        for (text, days) in [
            ("2024-02", 29),
            ("2026-02", 28),
            ("2100-02", 28),
            ("2000-02", 29),
            // 2016-12-31 had 86,401 seconds by the clock of UTC; Unix time has no number for the last one.
            ("2016-12", 31),
            // Clocks in Europe were moved on 2026-03-29.
            ("2026-03", 31),
        ] {
            assert_eq!(month(text).end() - month(text).begin(), days * DAY, "{text}");
            assert_eq!(month(text).days(), days);
        }
        let november = month("2026-11");
        assert_eq!(november.name(), "November 2026");
        assert_eq!([november.begin(), november.end() - 1].map(Month::of), [november; 2]);
    }

    #[test]
    fn text_that_is_no_month_is_refused() {
        for wrong in [
            "",
            "2026",
            "2026-1",
            "2026-13",
            "2026-00",
            "1969-12",
            "26-11",
            "2026-11-01",
            "+026-11",
            "2026/11",
        ] {
            assert!(Month::parse(wrong).is_err(), "{wrong}");
        }
    }
}
