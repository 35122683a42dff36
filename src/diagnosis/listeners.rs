//! The rule about listeners: sessions with a broker fail, and another section of the configuration reaches the same broker at
//! another address.

use std::collections::BTreeSet;

use super::{
    access::{TAKES, sessions},
    finding::{Finding, Weight},
    open::Open,
    scene::Elsewhere,
    suspect::Kind,
};
use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// Listeners of brokers that another section reaches at another address.
pub(super) fn listeners(open: &mut Open<'_>) {
    let is_cut = |stage, fault| {
        let faults =
            [Fault::Timeout, Fault::Unreachable, Fault::Refused, Fault::Disconnected, Fault::Protocol];
        matches!(stage, Stage::Tcp | Stage::ApiVersions) && faults.contains(&fault)
    };
    let failed = open.failed(is_cut);
    let reached: BTreeSet<BrokerId> =
        failed.into_iter().filter(|broker| reached(open, *broker).is_some()).collect();
    if open.are_all(&reached) && reached.len() > 1 {
        let headline = "No broker can be reached over the listener of this section";
        let finding = Finding::new(Kind::Listener, "", Weight::Two, headline);
        let finding = finding.because(sessions(open, &reached)).because(sections(open, &reached));
        return open.explain_brokers(&reached, finding);
    }
    for broker in reached {
        let one = BTreeSet::from([broker]);
        let Some(address) = open.scene.brokers.get(&broker).map(super::Broker::address) else { continue };
        let headline = format!("The address {address} does not lead to broker {broker}");
        let finding = Finding::new(Kind::Listener, broker, Weight::Two, headline);
        let finding = finding.because(sessions(open, &one)).because(sections(open, &one));
        open.explain_brokers(&one, finding);
    }
}

/// The sessions that another section opened with a broker before and after a session of this section with it began and failed.
fn reached<'a>(open: &Open<'a>, broker: BrokerId) -> Option<&'a Elsewhere> {
    let (_, since, last) = open.failures(broker)?;
    let elsewhere = open.scene.elsewhere.get(&broker)?;
    let was_open = elsewhere.opened.is_some_and(|opened| opened + TAKES <= last) && elsewhere.at >= since;
    was_open.then_some(elsewhere)
}

/// One sentence for each section that reaches these brokers.
fn sections(open: &Open<'_>, brokers: &BTreeSet<BrokerId>) -> Vec<String> {
    let reached = brokers.iter().filter_map(|broker| reached(open, *broker));
    let names: BTreeSet<&str> = reached.map(|elsewhere| elsewhere.section.as_str()).collect();
    let ids: Vec<BrokerId> = brokers.iter().copied().collect();
    let brokers = text::list("broker", &ids).unwrap_or_default();
    let sentence = |name: &str| {
        let name = text::plain(name);
        format!("the section {name} for the same cluster reaches {brokers} at another address")
    };
    names.into_iter().map(sentence).collect()
}
