//! Our own families with klag-exporter's labels in addition. Each is served in place of ours.

use crate::catalog::{Family, collect, family::family};

families! {
    pub static MEMBER_OFFSET: Family<7> = with_members(
        &collect::GROUP_OFFSET,
        &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
    );

    pub static MEMBER_LAG: Family<7> = with_members(
        &collect::GROUP_LAG,
        &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
    );

    pub static MEMBER_LAG_SECONDS: Family<9> = with_members(
        &collect::GROUP_LAG_SECONDS,
        &[
            "cluster_name",
            "group",
            "topic",
            "partition",
            "member_host",
            "consumer_id",
            "client_id",
            "compaction_detected",
            "data_loss_detected",
        ],
    );

    pub static MEMBER_LOST: Family<7> = with_members(
        &collect::GROUP_LOST,
        &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
    );

    pub static MEMBER_MARGIN: Family<7> = with_members(
        &collect::GROUP_MARGIN,
        &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
    );

    pub static MEMBER_RATIO: Family<7> = with_members(
        &collect::GROUP_RATIO,
        &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
    );
}

/// The same family with klag-exporter's labels: served in its place.
const fn with_members<const N: usize>(of: &Family<4>, labels: &'static [&'static str; N]) -> Family<N> {
    family(of.description.name, of.description.kind, labels, of.description.help)
}
