//! Scenes with brokers whose metadata differ.

use super::{
    super::{
        Confidence::{Certain, Likely, Suspected},
        Difference, Kind, Scene,
    },
    world::{after, blamed, led_by, only, trouble},
};
use crate::kafka::BrokerId;

/// These brokers differ, as one that has lost the controller or as one at whose address another broker answers.
fn differ(brokers: &'static [i32], is_other_broker: bool) -> impl Fn(&mut Scene) {
    move |scene| {
        for id in brokers {
            let sentence = format!("broker {id} names an older leader");
            scene.differing.insert(BrokerId(*id), Difference { sentence, is_other_broker });
        }
    }
}

#[test]
fn broker_with_old_metadata_explains_the_trouble_of_the_partitions_that_it_leads() {
    only(differ(&[3], false), Kind::Metadata, "3", [Likely, Likely]);
    let change = |scene: &mut Scene| {
        differ(&[3], false)(scene);
        trouble(scene, None, led_by(3));
    };
    only(change, Kind::Metadata, "3", [Likely, Likely]);
}

#[test]
fn broker_with_old_metadata_is_certain_after_a_while_and_may_have_left_the_metadata() {
    let mut scene = super::fine();
    differ(&[3], false)(&mut scene);
    scene.brokers.remove(&BrokerId(3));
    let diagnosis = after(&scene, 11);
    assert_eq!(blamed(&diagnosis), [(Kind::Metadata, "3", Certain)]);
    assert_eq!(diagnosis.suspects[0].headline, "Broker 3 answers with other metadata than the other brokers");
}

#[test]
fn no_broker_is_blamed_if_most_brokers_differ() {
    only(differ(&[2, 3], false), Kind::Metadata, "", [Suspected, Likely]);
}

#[test]
fn address_at_which_another_broker_answers_is_a_fault_of_the_listener() {
    let change = |scene: &mut Scene| {
        differ(&[1], true)(scene);
        trouble(scene, Some(crate::kafka::Fault::NoLeader), led_by(1));
    };
    only(change, Kind::Listener, "1", [Likely, Likely]);
}
