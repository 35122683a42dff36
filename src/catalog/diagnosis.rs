//! Families of the diagnosis: which component is to blame.

use super::{Family, Kind, family::family};

families! {
    pub static SUSPECT: Family<3> = family(
        "heartbeat_suspect",
        Kind::Gauge,
        &["kafka_cluster", "kind", "subject"],
        "Confidence that the component is to blame: 1 suspected, 2 likely, 3 certain. Absent for a component that is not suspected.",
    );

    pub static UNEXPLAINED: Family<1> = family(
        "heartbeat_diagnosis_unexplained",
        Kind::Gauge,
        &["kafka_cluster"],
        "Number of kinds of symptoms (partitions, sessions, metadata) that no suspect has explained for five seconds. Absent before the first diagnosis.",
    );
}
