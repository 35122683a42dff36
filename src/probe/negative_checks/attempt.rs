//! What is tried, and how a broker answers.

use std::{fmt, sync::Arc};

use crate::{closed_enum::closed_enum, kafka::Stranger};

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// A session that the broker should refuse.
    Session(Stranger),
    /// The use of a topic that the principal should not use.
    ForbiddenTopic,
}

impl Check {
    /// Everything that is tried, in the order of the pages.
    pub fn all() -> impl Iterator<Item = Self> {
        Stranger::ALL.into_iter().map(Check::Session).chain([Check::ForbiddenTopic])
    }

    /// The value of the label `check`.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Session(stranger) => stranger.as_str(),
            Check::ForbiddenTopic => "forbidden_topic",
        }
    }
}

closed_enum! {
    /// How a broker answered.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Answer {
        /// It refused what it should refuse.
        Refused = "refused",
        /// It accepted what it should refuse.
        Accepted = "accepted",
        /// It could not be reached, or did not answer in time.
        Unknown = "unknown",
    }
}

/// One attempt at a broker: what is tried, and with which topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// What is tried.
    pub check: Check,
    /// The topic of [`Check::ForbiddenTopic`]; `None` for the other ones.
    pub topic: Option<Arc<str>>,
}

impl Attempt {
    /// The attempt to open a session.
    pub fn session(stranger: Stranger) -> Self {
        Self { check: Check::Session(stranger), topic: None }
    }

    /// The attempt to use a topic.
    pub fn topic(topic: &str) -> Self {
        Self { check: Check::ForbiddenTopic, topic: Some(topic.into()) }
    }
}

/// What a broker accepts, such as `a session without a login`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.check, &self.topic) {
            (Check::Session(Stranger::Anonymous), _) => {
                f.write_str("a session without a login and without a client certificate")
            }
            (Check::Session(Stranger::WrongPassword), _) => f.write_str("a login with a wrong password"),
            (Check::Session(Stranger::Plaintext), _) => {
                f.write_str("a session without TLS on the port for TLS")
            }
            (Check::ForbiddenTopic, Some(topic)) => write!(f, "the use of topic {topic} by this principal"),
            (Check::ForbiddenTopic, None) => f.write_str("the use of a topic by this principal"),
        }
    }
}
