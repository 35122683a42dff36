//! The failures of the candidates for one request, and the error of the whole request.

use crate::{
    kafka::{Error, Fault},
    text::Chain,
};

/// The failures of the candidates for one request.
#[derive(Default)]
pub(super) struct Failures {
    /// The first refused login.
    login: Option<Error>,
    /// The first refusal by a broker that does not know the request or its versions.
    unsupported: Option<Error>,
    /// The last failure of any other kind.
    other: Option<Error>,
}

impl Failures {
    /// Adds a failure. Returns the error of the whole request once two brokers have refused it for the same reason.
    pub(super) fn add(&mut self, error: Error) -> Option<Error> {
        let refusal = match error.fault() {
            Fault::Authentication => &mut self.login,
            Fault::Unsupported => &mut self.unsupported,
            // `NotReady` says nothing about the broker, so another failure is the better reason.
            Fault::NotReady if self.other.is_some() => return None,
            _ => {
                self.other = Some(error);
                return None;
            }
        };
        if refusal.is_some() {
            return Some(error);
        }
        *refusal = Some(error);
        None
    }

    /// The error of a request to which no broker responded.
    pub(super) fn into_error(self) -> Error {
        match (self.unsupported, self.login, self.other) {
            // Of all brokers that can be reached, none knows the request.
            (Some(unsupported), ..) => unsupported,
            (None, Some(login), None) => login,
            (None, Some(login), Some(other)) => {
                let reasons = format!("{}; {}", Chain(&login), Chain(&other));
                let what = "one broker refused the login, and no other broker answered";
                let error = Error::new(other.fault(), what).because(reasons);
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
