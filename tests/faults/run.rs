//! Runs one case: waits until nothing is suspected, injects the fault, watches, heals, and watches again.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    case::{CLEAR, Case, Confidence, LOAD, Pattern},
    report::Row,
    scene::Scene,
    support::{service::Service, try_wait},
    timeline::{Moment, Suspect, Timeline},
    world::World,
};

/// The longest time until a service has found nothing to suspect.
const READY: Duration = Duration::from_secs(60);
/// Good heartbeats of each of three partitions before a fault, so that the service knows what is usual.
const GOOD: u64 = 3 * 10;
/// A case waits for a suspect longer than the limit allows, because the report says when the suspect appeared.
const PATIENCE: Duration = Duration::from_secs(15);
/// No suspect may appear for this time before a fault, and after it ended.
const CALM: Duration = Duration::from_secs(2);

/// Runs a case. The proxies are in order again afterwards.
pub(crate) fn run(case: &Case, world: Arc<World>, lane: Option<usize>) -> Row {
    let scene = Scene::new(case, world, lane);
    (case.prepare)(&scene);
    let service = scene.start_service(case);
    let timeline = Timeline::default();
    let (begun, ended, status) = thread::scope(|scope| {
        let _end = timeline.end();
        scope.spawn(|| timeline.record(service));
        wait_until_ready(service, &timeline);
        let begun = (case.inject)(&scene);
        let patience = PATIENCE.max(case.within.1.mul_f64(LOAD)).max(case.hold);
        try_wait(patience.saturating_sub(begun.elapsed()), || {
            let now = timeline.now().unwrap_or_default();
            let all = case.wanted.iter().all(|wanted| best(&scene, &now, wanted) >= Some(case.least));
            (all && begun.elapsed() >= case.hold).then_some(())
        });
        let status = status(service);
        let ended = (case.heal)(&scene);
        try_wait(CLEAR.mul_f64(LOAD), || timeline.is_clear_for(CALM).then_some(()));
        (begun, ended, status)
    });
    let mut row = judge(case, &scene, &timeline.moments(), begun, ended);
    if !row.problems.is_empty() {
        row.details = format!("    {status}\n{}", details(service, &timeline.moments(), begun));
    }
    row
}

/// The verdict with its reasons, and the outcomes of the heartbeats. Empty if the service does not answer.
fn status(service: &Service) -> String {
    let answer = service.get("/api/v1/status?cluster=k").ok();
    let answer = answer.and_then(|answer| serde_json::from_str::<Value>(&answer).ok());
    answer.map_or_else(String::new, |answer| {
        let cluster = &answer["clusters"][0];
        format!("{} {} {}", cluster["verdict"], cluster["reasons"], cluster["heartbeats"])
    })
}

fn wait_until_ready(service: &Service, timeline: &Timeline) {
    let ready = try_wait(READY, || {
        (timeline.is_clear_for(CALM) && service.totals("k").of("ok") >= GOOD).then_some(())
    });
    if ready.is_none() {
        let last = timeline.moments().pop().map(|moment| moment.answer);
        panic!("the service is not ready: {:?}, {last:?}\n{}", service.totals("k"), service.log());
    }
}

/// The highest confidence of the suspects that one of the patterns describes.
fn best(scene: &Scene, suspects: &[Suspect], patterns: &[Pattern]) -> Option<Confidence> {
    let fits = |suspect: &&Suspect| patterns.iter().any(|pattern| scene.is(suspect, *pattern));
    suspects.iter().filter(fits).map(|suspect| suspect.confidence).max()
}

/// Compares what was suspected with what the case wants.
fn judge(case: &Case, scene: &Scene, moments: &[Moment], begun: Instant, ended: Instant) -> Row {
    // The diagnosis at the beginning of the fault and each one since.
    let before = moments.iter().filter(|moment| moment.at < begun).count();
    let since = &moments[before.saturating_sub(1)..];
    let mut row = Row::new(case.name);
    for wanted in case.wanted {
        let first = |least| {
            let reached = |moment: &&Moment| best(scene, &moment.suspects, wanted) >= Some(least);
            since.iter().find(reached).map(|moment| moment.at.saturating_duration_since(begun))
        };
        let times = (first(Confidence::Suspected), first(case.least));
        row.note_times(wanted, times, case.within);
        let fits = |suspect: &&Suspect| wanted.iter().any(|pattern| scene.is(suspect, *pattern));
        let seen = since.iter().flat_map(|moment| &moment.suspects).filter(fits);
        row.seen.extend(seen.max_by_key(|suspect| suspect.confidence).cloned());
    }
    let allowed: Vec<_> = case.wanted.iter().copied().flatten().chain(case.beside).collect();
    let wrong = |suspect: &&Suspect| !allowed.iter().any(|pattern| scene.is(suspect, **pattern));
    for moment in since {
        for suspect in moment.suspects.iter().filter(wrong) {
            row.note_wrong(suspect, moment.at.saturating_duration_since(begun));
        }
    }
    let last = moments.last();
    row.clear =
        last.filter(|last| last.suspects.is_empty()).map(|last| last.at.saturating_duration_since(ended));
    if row.clear.is_none_or(|clear| clear > CLEAR.mul_f64(LOAD)) {
        row.problems.push(format!("not clear within {CLEAR:?}"));
    }
    row
}

/// Each change of the diagnosis with its evidence, and what the service says of the cluster.
fn details(service: &Service, moments: &[Moment], begun: Instant) -> String {
    let mut text = String::new();
    for moment in moments {
        let at = moment
            .at
            .checked_duration_since(begun)
            .map_or_else(|| -begun.duration_since(moment.at).as_secs_f64(), |since| since.as_secs_f64());
        text += &format!("    {at:>6.1} s  {}\n", moment.answer["clusters"]);
    }
    let log = service.log();
    let lines: Vec<_> = log.lines().collect();
    text + &lines[lines.len().saturating_sub(15)..].join("\n") + "\n"
}
