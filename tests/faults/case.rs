//! What a case of the fault matrix is: a fault, and the suspects that it must lead to.

use std::time::{Duration, Instant};

use crate::scene::Scene;

/// The longest time from a fault until a suspect of any confidence.
pub(crate) const SUSPICION: Duration = Duration::from_secs(3);
/// The longest time from a fault until the suspect is likely: five intervals of one second.
pub(crate) const LIKELY: Duration = Duration::from_secs(5);
/// The longest time from the end of a fault until nothing is suspected.
pub(crate) const CLEAR: Duration = Duration::from_secs(15);
/// Every limit is multiplied by this factor. Up to seven services and three brokers share two processors with the commands of
/// Kafka that inject faults and with other tests, so a measurement of a program in the debug profile may come late by some
/// seconds. The table has the times themselves.
pub(crate) const LOAD: f64 = 3.0;

/// How sure a diagnosis is of a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    Suspected,
    Likely,
    Certain,
}

/// The way from the service to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The brokers themselves. No other case runs at the same time, because the brokers have the fault.
    Direct,
    /// A proxy before each broker.
    Proxies,
    /// A proxy before each broker, and host names that resolve as the case wants.
    Names,
    /// A proxy before each broker, and a login with a name and a password.
    Login,
    /// A proxy before each broker, and TLS.
    Tls,
}

/// The subject of a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Any subject.
    Any,
    /// The broker that has the fault.
    Victim,
    /// The second broker that has the fault.
    Second,
    /// This subject.
    Named(&'static str),
}

/// A kind of suspect and its subject.
pub(crate) type Pattern = (&'static str, Subject);

/// One fault.
pub(crate) struct Case {
    /// What the fault is, for the table.
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    /// Lines of the configuration behind the section `[kafka]`.
    pub(crate) settings: fn(&Scene) -> String,
    /// Why this machine cannot run the case, if it cannot.
    pub(crate) needs: fn() -> Result<(), String>,
    /// Whether the service has a wall clock of its own, which the case sets.
    pub(crate) has_own_clock: bool,
    /// Whether the broker that has the fault is the active controller. Otherwise it is another broker.
    pub(crate) is_on_the_controller: bool,
    /// Runs before the service starts.
    pub(crate) prepare: fn(&Scene),
    /// Begins the fault and returns when it began.
    pub(crate) inject: fn(&Scene) -> Instant,
    /// Ends the fault and returns when it ended.
    pub(crate) heal: fn(&Scene) -> Instant,
    /// Of each list at least one pattern must be suspected. Without a list, nobody may be suspected.
    pub(crate) wanted: &'static [&'static [Pattern]],
    /// The least confidence that the wanted suspects must reach.
    pub(crate) least: Confidence,
    /// Suspects that may appear beside the wanted ones.
    pub(crate) beside: &'static [Pattern],
    /// The shortest time from the beginning of the fault to its end. The wanted suspects must appear in this time or in
    /// [`Case::within`], whichever is longer.
    pub(crate) hold: Duration,
    /// The longest time until suspicion, and until the least confidence.
    pub(crate) within: (Duration, Duration),
}

impl Case {
    /// A fault of which nobody is guilty, with a topic that has a leader on each broker.
    pub(crate) fn new(
        name: &'static str,
        way: Way,
        inject: fn(&Scene) -> Instant,
        heal: fn(&Scene) -> Instant,
    ) -> Self {
        Self {
            name,
            way,
            settings: |_| String::new(),
            needs: || Ok(()),
            has_own_clock: false,
            is_on_the_controller: false,
            prepare: Scene::create_topic,
            inject,
            heal,
            wanted: &[],
            least: Confidence::Likely,
            beside: &[],
            hold: Duration::from_secs(8),
            within: (SUSPICION, LIKELY),
        }
    }

    pub(crate) fn wants(mut self, wanted: &'static [&'static [Pattern]]) -> Self {
        self.wanted = wanted;
        self
    }

    pub(crate) fn least(mut self, least: Confidence) -> Self {
        self.least = least;
        self
    }

    pub(crate) fn beside(mut self, beside: &'static [Pattern]) -> Self {
        self.beside = beside;
        self
    }

    pub(crate) fn hold(mut self, seconds: u64) -> Self {
        self.hold = Duration::from_secs(seconds);
        self
    }

    /// Other limits in seconds than those of the contract, for a fault that cannot show itself earlier.
    pub(crate) fn within(mut self, suspicion: u64, likely: u64) -> Self {
        self.within = (Duration::from_secs(suspicion), Duration::from_secs(likely));
        self
    }

    /// The machine must be able to do this.
    pub(crate) fn needs(mut self, needs: fn() -> Result<(), String>) -> Self {
        self.needs = needs;
        self
    }

    /// The service gets a wall clock of its own.
    pub(crate) fn own_clock(mut self) -> Self {
        self.has_own_clock = true;
        self
    }

    /// The broker that has the fault is the active controller.
    pub(crate) fn on_the_controller(mut self) -> Self {
        self.is_on_the_controller = true;
        self
    }

    pub(crate) fn settings(mut self, settings: fn(&Scene) -> String) -> Self {
        self.settings = settings;
        self
    }

    pub(crate) fn prepare(mut self, prepare: fn(&Scene)) -> Self {
        self.prepare = prepare;
        self
    }

    /// The name of its heartbeat topic, and of its client.
    pub(crate) fn topic(&self) -> String {
        let letters =
            self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        format!("hb-{}", letters.collect::<String>())
    }
}
