//! Rules about the way to the brokers: this process, names, the network, logins, certificates, permissions and quotas.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{
    finding::{Finding, Weight},
    open::Open,
    scene::{Controller, Session},
    suspect::Kind,
};
use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// Sessions that end within this time say something of the same moment.
const SAME_TIME: Duration = Duration::from_millis(1100);

/// A session that failed began at most so long before its end.
pub(super) const TAKES: Duration = Duration::from_secs(1);

/// A request that is throttled for so long on average is slow because of its quota.
const THROTTLED: Duration = Duration::from_millis(50);

/// This process cannot measure: nothing else is blamed.
pub(super) fn prober(open: &mut Open<'_>) {
    let Some(reason) = &open.scene.prober else { return };
    open.explain_all(cannot_measure(reason));
}

/// This process did not run, and something seems to be wrong since: nothing else is blamed. Without a symptom, nobody is.
pub(super) fn stall(open: &mut Open<'_>) {
    let Some(reason) = &open.scene.stalled else { return };
    if !open.found.is_empty() || !open.unexplained().is_empty() {
        open.found.clear();
        open.explain_all(cannot_measure(reason));
    }
}

fn cannot_measure(reason: &str) -> Finding {
    let finding = Finding::new(Kind::Prober, "", Weight::Proof, "This process cannot measure");
    finding.because([reason.to_owned()])
}

/// There is no usable credential to log in with, and Kafka is not the reason.
pub(super) fn login(open: &mut Open<'_>) {
    let Some(login) = &open.scene.login else { return };
    let (kind, headline) = match login.fault {
        Fault::TokenEndpoint | Fault::Kdc => {
            (Kind::IdentityProvider, "The identity provider does not answer")
        }
        Fault::Clock => (Kind::Prober, "The clocks of this machine and of the identity provider differ"),
        Fault::Descriptors => (Kind::Prober, "This process has no file descriptor left"),
        _ => (Kind::Credentials, "The credentials of this service cannot be used"),
    };
    let finding = Finding::new(kind, "", Weight::Two, headline);
    open.explain_all(finding.because([text::plain(&login.message)]).mended_by(login.fault.hint()));
}

/// No bootstrap server could be used so far: the brokers are not known.
pub(super) fn bootstrap(open: &mut Open<'_>) {
    let Some(failure) = open.metadata.filter(|_| open.scene.brokers.is_empty()) else { return };
    let (kind, weight, headline) = match (failure.stage, failure.fault) {
        (Some(Stage::Dns), _) => (Kind::Dns, Weight::Two, "No name of a bootstrap server can be looked up"),
        (Some(Stage::Sasl), Fault::Authentication) => {
            (Kind::Credentials, Weight::Two, "The bootstrap servers refuse the login")
        }
        (_, Fault::CertificateRefused) => {
            (Kind::Credentials, Weight::Two, "The bootstrap servers refuse the client certificate")
        }
        (
            _,
            Fault::Tls
            | Fault::CertificateExpired
            | Fault::CertificateUnknownCa
            | Fault::CertificateWrongHost,
        ) => (Kind::Certificate, Weight::Two, "No TLS connection to a bootstrap server can be opened"),
        _ => (Kind::Cluster, Weight::One, "No bootstrap server can be used"),
    };
    open.explain_all(
        Finding::new(kind, "", weight, headline)
            .because([text::plain(&failure.message)])
            .mended_by(failure.fault.hint()),
    );
}

/// Names of brokers that do not resolve.
pub(super) fn names(open: &mut Open<'_>) {
    let failed = open.failed(|stage, _| stage == Stage::Dns);
    if open.are_all(&failed) {
        let finding = Finding::new(Kind::Dns, "", Weight::Two, "No name of a broker can be looked up");
        return open.explain_brokers(&failed, finding.because(sessions(open, &failed)));
    }
    for broker in failed {
        let Some(host) = open.scene.brokers.get(&broker).map(|broker| broker.host.clone()) else { continue };
        let headline = format!("The name of broker {broker} cannot be looked up");
        let one = BTreeSet::from([broker]);
        let finding = Finding::new(Kind::Dns, text::plain(&host), weight(open, broker, &one), headline);
        let finding = finding.because(sessions(open, &one));
        open.explain_brokers(&one, finding.although(others(open)));
    }
}

/// No broker can be connected to, and none refuses the connection: the way to all of them is cut. It is the way of this machine
/// unless another cluster can be reached.
pub(super) fn network(open: &mut Open<'_>) {
    let cut = |stage, fault| stage == Stage::Tcp && matches!(fault, Fault::Timeout | Fault::Unreachable);
    let failed = open.failed(cut);
    if !open.are_all(&failed) || failed.len() < 2 {
        return;
    }
    let is_pending = failed.iter().any(|broker| open.is_pending(*broker));
    let (reached, cut_off) = other_clusters(open, &failed);
    if let Some(clusters) = text::list("cluster", &reached) {
        let headline = "No broker of the cluster can be reached over the network";
        let weight = if is_pending { Weight::Hint } else { Weight::Two };
        let finding = Finding::new(Kind::Cluster, "", weight, headline).because(sessions(open, &failed));
        let finding = finding.because([format!("{clusters} can be reached at the same time")]);
        return open.explain_brokers(&failed, finding);
    }
    let headline = "No broker can be reached over the network";
    let others = text::list("cluster", &cut_off);
    let weight = match (is_pending, &others) {
        (true, _) => Weight::Hint,
        (false, None) => Weight::One,
        (false, Some(_)) => Weight::Two,
    };
    let finding = Finding::new(Kind::ClientNetwork, "", weight, headline);
    let others = others.map(|clusters| format!("no broker of {clusters} can be reached either"));
    let finding = finding.because(sessions(open, &failed)).because(others);
    open.explain_brokers(&failed, finding);
}

/// The names of the other clusters of the configuration that were reached while sessions with these brokers failed, and of those
/// that were not reached either.
fn other_clusters(open: &Open<'_>, failed: &BTreeSet<BrokerId>) -> (Vec<String>, Vec<String>) {
    let failures: Vec<_> = failed.iter().filter_map(|broker| open.failures(*broker)).collect();
    let since = failures.iter().map(|(_, since, _)| *since).min();
    let last = failures.iter().map(|(_, _, last)| *last).max();
    let (Some(since), Some(last)) = (since, last) else { return Default::default() };
    let (mut reached, mut cut_off) = (Vec::new(), Vec::new());
    for (name, other) in open.scene.other_clusters.iter().filter(|(_, other)| other.at >= since) {
        match other.opened {
            Some(opened) if opened + TAKES <= last => reached.push(name.clone()),
            Some(_) => {}
            None => cut_off.push(name.clone()),
        }
    }
    (reached, cut_off)
}

/// Every broker refuses the login, or closes the connection during it, which is how brokers before Kafka 1.0 refuse. One broker that
/// does so alone is a matter of that broker.
pub(super) fn credentials(open: &mut Open<'_>) {
    let is_refused = |fault| matches!(fault, Fault::Authentication | Fault::Disconnected);
    let refused = open.failed(|stage, fault| stage == Stage::Sasl && is_refused(fault));
    if !open.are_all(&refused) {
        return;
    }
    let (weight, headline) = if open.failed(|_, fault| fault == Fault::Authentication).is_empty() {
        (Weight::One, "Every broker closes the connection during the login")
    } else {
        (Weight::Two, "Every broker refuses the login")
    };
    let finding = Finding::new(Kind::Credentials, "", weight, headline);
    let finding = finding.because(sessions(open, &refused)).mended_by(Fault::Authentication.hint());
    open.explain_brokers(&refused, finding);
}

/// Certificates that are expired, for another name or of an unknown CA, and client certificates that are refused.
pub(super) fn certificates(open: &mut Open<'_>) {
    let faults = [
        (Fault::CertificateExpired, "has expired or is not valid yet"),
        (Fault::CertificateUnknownCa, "was signed by a CA that is not trusted"),
        (Fault::CertificateWrongHost, "names another host"),
    ];
    for (fault, what) in faults {
        let failed = open.failed(|_, found| found == fault);
        if open.are_all(&failed) && failed.len() > 1 {
            let headline = format!("The certificate of every broker {what}");
            let finding = Finding::new(Kind::Certificate, "", Weight::Two, headline);
            let finding = finding.because(sessions(open, &failed)).mended_by(fault.hint());
            open.explain_brokers(&failed, finding);
            continue;
        }
        for broker in failed {
            let one = BTreeSet::from([broker]);
            let headline = format!("The certificate of broker {broker} {what}");
            let finding = Finding::new(Kind::Certificate, broker, Weight::Two, headline);
            let finding = finding.because(sessions(open, &one)).mended_by(fault.hint());
            open.explain_brokers(&one, finding);
        }
    }
    let refused = open.failed(|_, fault| fault == Fault::CertificateRefused);
    if open.are_all(&refused) {
        let headline = "Every broker refuses the client certificate";
        let finding = Finding::new(Kind::Credentials, "", Weight::Two, headline);
        let finding = finding.because(sessions(open, &refused));
        open.explain_brokers(&refused, finding);
    }
}

/// The principal lacks a permission for the heartbeat topic.
pub(super) fn authorization(open: &mut Open<'_>) {
    let denied = of_fault(open, Fault::Authorization);
    let topic = text::plain(&open.scene.topic);
    let is_read = |number: &i32| open.partitions.get(number).is_some_and(|trouble| trouble.acknowledged);
    let headline = if !denied.is_empty() {
        let operation = if denied.iter().all(is_read) { "read from" } else { "write to" };
        format!("The principal may not {operation} the topic {topic}")
    } else if open.scene.topic_denied {
        format!("The principal may not describe or create the topic {topic}")
    } else {
        return;
    };
    let all = if denied.is_empty() { open.partitions.keys().copied().collect() } else { denied };
    // One broker may have an outdated list of permissions.
    let everywhere = all.len() == open.scene.partitions.len();
    let weight = if everywhere { Weight::Proof } else { Weight::One };
    let finding = Finding::new(Kind::Authorization, topic, weight, headline);
    let finding = finding.because(["a broker answered with an authorization error".to_owned()]);
    open.explain_partitions(&all, finding);
}

/// Brokers throttle a request for so long that it is slow.
pub(super) fn quotas(open: &mut Open<'_>) {
    let throttled = open.scene.throttled.iter().filter(|(_, time)| **time >= THROTTLED);
    let throttled: BTreeMap<_, _> = throttled.map(|(request, time)| (*request, *time)).collect();
    for (request, time) in throttled {
        let is_slow = |fault: &Option<Fault>| matches!(fault, None | Some(Fault::Throttled | Fault::Timeout));
        let slow = open.partitions.iter().filter(|(_, trouble)| is_slow(&trouble.fault));
        let slow: BTreeSet<i32> = slow.map(|(number, _)| *number).collect();
        let weight = if slow.is_empty() { Weight::One } else { Weight::Two };
        let headline = format!("A quota throttles the {request} requests of this service");
        let finding = Finding::new(Kind::Quota, request, weight, headline);
        let time = text::duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
        let evidence = format!(
            "brokers throttled {request} requests for {time}, on average of the longest times of the last report"
        );
        open.explain_partitions(&slow, finding.because([evidence]));
    }
}

/// The quorum has no leader, or keeps electing another one, while brokers answer.
pub(super) fn controller(open: &mut Open<'_>) {
    let Some(controller) = open.scene.controller else { return };
    let (headline, evidence) = match controller {
        Controller::Lost => (
            "The cluster has no active controller",
            "brokers answer, and they know no leader of the quorum of controllers".to_owned(),
        ),
        Controller::KeepsChanging { times, within } => (
            "The active controller of the cluster keeps changing",
            format!(
                "brokers answer, and the epoch of the quorum of controllers changed {times} times within {}",
                text::duration(Duration::from_secs(within.as_secs()))
            ),
        ),
    };
    let finding = Finding::new(Kind::Controller, "", Weight::One, headline);
    open.explain_partitions(&BTreeSet::new(), finding.because([evidence]));
}

/// The partitions in trouble whose last heartbeat failed for this reason.
pub(super) fn of_fault(open: &Open<'_>, fault: Fault) -> BTreeSet<i32> {
    let partitions = open.partitions.iter().filter(|(_, trouble)| trouble.fault == Some(fault));
    partitions.map(|(number, _)| *number).collect()
}

/// One sentence for each way in which sessions with these brokers failed.
pub(super) fn sessions(open: &Open<'_>, brokers: &BTreeSet<BrokerId>) -> Vec<String> {
    let mut ways: BTreeMap<(Stage, Fault), Vec<BrokerId>> = BTreeMap::new();
    for (id, broker) in open.scene.brokers.iter().filter(|(id, _)| brokers.contains(id)) {
        if let Session::Failed { stage, fault, .. } = broker.session {
            ways.entry((stage, fault)).or_default().push(*id);
        }
    }
    let sentence = |((stage, fault), ids): (&(Stage, Fault), &Vec<BrokerId>)| {
        let brokers = text::list("broker", ids)?;
        Some(format!("no session with {brokers} could be opened: {}", stage.failed(*fault)))
    };
    ways.iter().filter_map(sentence).collect()
}

/// That other brokers can be reached and are not slow, if there are any.
pub(super) fn others(open: &Open<'_>) -> Option<String> {
    let is_open = |session: &Session| matches!(session, Session::Open { slow: None, .. });
    let fine = open.scene.brokers.iter().filter(|(_, broker)| is_open(&broker.session));
    let fine: Vec<BrokerId> = fine.map(|(id, _)| *id).collect();
    text::list("broker", &fine).map(|brokers| format!("sessions with {brokers} can be opened"))
}

/// True if sessions with these brokers failed while sessions with all other brokers were opened. A session with another broker
/// is no evidence if it ended long before the first failure, or if sessions with that broker failed until after the last one.
/// A broker whose session failed, too, or is not known, is not considered.
fn alone(open: &Open<'_>, brokers: &BTreeSet<BrokerId>, since: SystemTime, last: SystemTime) -> bool {
    let mut others = open.scene.brokers.iter().filter(|(id, _)| !brokers.contains(id));
    others.all(|(_, other)| match other.session {
        Session::Open { at, since: opened, .. } => at + SAME_TIME >= since && opened <= last + SAME_TIME,
        Session::Failed { .. } | Session::Unknown => true,
    })
}

/// The weight of the failed session with a broker as evidence. It is higher if heartbeats fail where the broker leads. The
/// session weighs little unless only sessions with `brokers` failed, and while another section may still reach the broker.
pub(super) fn weight(open: &Open<'_>, broker: BrokerId, brokers: &BTreeSet<BrokerId>) -> Weight {
    let Some(Session::Failed { fault, times, listed, since, last, .. }) =
        open.scene.brokers.get(&broker).map(|broker| &broker.session)
    else {
        return Weight::One;
    };
    if !alone(open, brokers, *since, *last) || open.is_pending(broker) {
        return Weight::Hint;
    }
    let leads = open.partitions.iter().any(|(number, trouble)| {
        let leader = open.scene.partitions.get(number).and_then(|partition| partition.leader);
        trouble.leader == Some(broker) && leader.is_none_or(|leader| leader == broker)
    });
    let planned = matches!(fault, Fault::Refused | Fault::Disconnected);
    match (leads || *listed, planned) {
        (true, _) => Weight::Two,
        (false, false) if *times > 1 => Weight::One,
        (false, _) => Weight::Hint,
    }
}
