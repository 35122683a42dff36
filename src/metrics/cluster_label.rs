//! The rule for the label `kafka_cluster` on families whose names older dashboards know.

use crate::board::Readings;

/// Whether families of topics, groups and older programs carry the label `kafka_cluster`.
///
/// Dashboards of other exporters were made for one cluster and do not know the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterLabel {
    /// One cluster is configured: its series do without the label.
    OnlyCluster,
    /// The series of each cluster carry its name.
    EachCluster,
}

impl ClusterLabel {
    /// The rule for so many configured clusters.
    pub fn of(clusters: usize) -> Self {
        if clusters == 1 { ClusterLabel::OnlyCluster } else { ClusterLabel::EachCluster }
    }

    /// The value of the label for this cluster; empty if the label is left out.
    pub(super) fn value(self, readings: &Readings) -> &str {
        match self {
            ClusterLabel::OnlyCluster => "",
            ClusterLabel::EachCluster => &readings.name,
        }
    }
}
