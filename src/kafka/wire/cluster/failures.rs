//! What failed while brokers were asked.

use crate::{
    kafka::{Error, Fault},
    text::Chain,
};

/// What the candidates of one question said that did not answer it.
#[derive(Default)]
pub(super) struct Failures {
    login: Option<Error>,
    unsupported: Option<Error>,
    other: Option<Error>,
}

impl Failures {
    /// Takes in one more; returns the error of the whole question once two brokers refuse it for the same reason.
    pub(super) fn add(&mut self, error: Error) -> Option<Error> {
        let refusal = match error.fault() {
            Fault::Authentication => &mut self.login,
            Fault::Unsupported => &mut self.unsupported,
            // It says nothing of the broker.
            Fault::NotReady if self.other.is_some() => return None,
            _ => {
                self.other = Some(error);
                return None;
            }
        };
        match refusal {
            Some(_) => Some(error),
            None => {
                *refusal = Some(error);
                None
            }
        }
    }

    /// The error of a question that nobody answered.
    pub(super) fn all(self) -> Error {
        match (self.unsupported, self.login, self.other) {
            // The only word on the matter: no broker that can be reached knows the request.
            (Some(unsupported), ..) => unsupported,
            (None, Some(login), None) => login,
            (None, Some(login), Some(other)) => {
                let words = format!("{}; {}", Chain(&login), Chain(&other));
                let what = "one broker refused the login, and no other broker answered";
                let error = Error::new(other.fault(), what).because(words);
                match other.stage() {
                    Some(stage) => error.at(stage),
                    None => error,
                }
            }
            (None, None, other) => {
                other.unwrap_or_else(|| Error::new(Fault::Timeout, "no broker was asked in time"))
            }
        }
    }
}
