//! What the service suspected, and when.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    case::Confidence,
    support::{service::Service, try_wait},
};

/// The time from one request for the diagnosis to the next.
const PERIOD: Duration = Duration::from_millis(100);

/// A suspect as `/api/v1/diagnosis` reports it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suspect {
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) confidence: Confidence,
    pub(crate) headline: String,
}

impl Suspect {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let confidence = match value["confidence"].as_str() {
            Some("suspected") => Confidence::Suspected,
            Some("likely") => Confidence::Likely,
            Some("certain") => Confidence::Certain,
            other => panic!("{other:?} is no confidence: {value}"),
        };
        let (kind, subject, headline) = (text("kind"), text("subject"), text("headline"));
        Self { kind, subject, confidence, headline: headline.replace(char::is_control, " ") }
    }
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.kind, self.subject, self.confidence)
    }
}

/// A diagnosis and the moment at which it was first seen.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    /// The suspects of all clusters.
    pub(crate) suspects: Vec<Suspect>,
    /// The answer, for the report of a failure.
    pub(crate) answer: Value,
}

/// Every change of the diagnosis.
#[derive(Default)]
pub(crate) struct Timeline {
    moments: Mutex<Vec<Moment>>,
    has_ended: AtomicBool,
}

/// Ends the recording when it is dropped, also by a panic.
pub(crate) struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Timeline {
    /// The recording ends when this value is dropped.
    pub(crate) fn end(&self) -> End<'_> {
        End(&self.has_ended)
    }

    /// Asks the service again and again. One connection is used for all requests, because a service without descriptors
    /// cannot accept another one.
    pub(crate) fn record(&self, service: &Service) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
        let url = format!("http://{}/api/v1/diagnosis", service.address());
        let mut asked = Instant::now();
        try_wait(Duration::MAX, || {
            if asked.elapsed() >= PERIOD {
                asked = Instant::now();
                let answer = agent.get(&url).call().ok();
                let body = answer.and_then(|mut answer| answer.body_mut().read_to_string().ok());
                if let Some(answer) = body.and_then(|body| serde_json::from_str(&body).ok()) {
                    self.note(answer);
                }
            }
            self.has_ended.load(Ordering::Relaxed).then_some(())
        });
    }

    fn note(&self, answer: Value) {
        let clusters = answer["clusters"].as_array().expect("a list of clusters");
        let lists: Option<Vec<_>> = clusters.iter().map(|cluster| cluster["suspects"].as_array()).collect();
        // There is no diagnosis before the first one.
        let Some(lists) = lists else { return };
        let suspects: Vec<_> = lists.into_iter().flatten().map(Suspect::read).collect();
        let mut moments = self.moments.lock().expect("no panic");
        if moments.last().is_none_or(|last| last.suspects != suspects) {
            moments.push(Moment { at: Instant::now(), suspects, answer });
        }
    }

    /// Every change of the suspects so far.
    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.moments.lock().expect("no panic").clone()
    }

    /// The suspects now; `None` before the first diagnosis.
    pub(crate) fn now(&self) -> Option<Vec<Suspect>> {
        self.moments.lock().expect("no panic").last().map(|moment| moment.suspects.clone())
    }

    /// Whether nothing has been suspected for this time.
    pub(crate) fn is_clear_for(&self, time: Duration) -> bool {
        let moments = self.moments.lock().expect("no panic");
        moments.last().is_some_and(|last| last.suspects.is_empty() && last.at.elapsed() >= time)
    }
}
