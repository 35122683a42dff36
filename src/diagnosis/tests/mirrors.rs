//! Scenes in which a mirror does not copy heartbeats, alone or with a cluster that fails.

use std::time::Duration;

use super::world::{after, at, blamed, fail, failed, fine, led_by, only, suspects, trouble};
use crate::{
    diagnosis::{
        Confidence::{Likely, Suspected},
        Diagnostician, Kind, Mirror, Scene,
    },
    kafka::{Fault, Stage},
};

fn behind(scene: &mut Scene, source_suspects: &[&str]) {
    let mirror = Mirror {
        source: "primary".to_owned(),
        overdue: 7,
        oldest: Duration::from_secs(90),
        source_suspects: source_suspects.iter().map(|name| (*name).to_owned()).collect(),
    };
    scene.mirrors.insert("dr".to_owned(), mirror);
}

#[test]
fn mirror_is_blamed_only_if_nothing_is_suspected_in_the_source() {
    only(|scene| behind(scene, &[]), Kind::Mirror, "dr", [Suspected, Likely]);
    assert_eq!(suspects(|scene| behind(scene, &["broker:3"])), [vec![], vec![]]);
}

#[test]
fn mirror_is_not_blamed_while_the_target_fails_and_while_it_recovers() {
    let mut scene = fine();
    behind(&mut scene, &[]);
    fail(&mut scene, &[2], &failed(Stage::Tcp, Fault::Timeout, true));
    trouble(&mut scene, Some(Fault::Timeout), led_by(2));
    let diagnosis = after(&scene, 3);
    let kinds: Vec<_> = blamed(&diagnosis).into_iter().map(|(kind, _, _)| kind).collect();
    assert_eq!(kinds, [Kind::Broker]);

    let mut diagnostician = Diagnostician::default();
    for seconds in 0..5 {
        diagnostician.diagnose(&Scene { at: at(100 + seconds), ..scene.clone() });
    }
    let mut later = fine();
    behind(&mut later, &[]);
    let mut kinds = |seconds: u64| {
        let diagnosis = diagnostician.diagnose(&Scene { at: at(104 + seconds), ..later.clone() });
        diagnosis.suspects.into_iter().map(|suspect| suspect.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(30), [], "the mirror catches up");
    assert_eq!(kinds(70), [Kind::Mirror]);
}
