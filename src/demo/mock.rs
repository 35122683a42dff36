//! The embedded cluster itself: its brokers, its topics and their leaders.

use rdkafka::{error::KafkaError, mocking::MockCluster, producer::DefaultProducerContext};

use super::traffic;

/// The number of brokers, and of partitions of the heartbeat topic.
const BROKERS: i32 = 3;
/// The heartbeat topic.
pub(super) const TOPIC: &str = "kafka-heartbeat";

/// librdkafka's mock. It cannot leave the thread that made it.
pub(super) type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Starts the brokers, and creates the topics with a leader on each broker.
pub(super) fn cluster() -> Result<Cluster, KafkaError> {
    let cluster = MockCluster::new(BROKERS)?;
    cluster.create_topic(TOPIC, BROKERS, BROKERS)?;
    for (topic, partitions) in traffic::TOPICS {
        cluster.create_topic(topic, partitions, BROKERS)?;
    }
    for (id, rack) in (1..=BROKERS).zip(["a", "b", "c"]) {
        cluster.broker_rack(id, rack)?;
    }
    for partition in 0..BROKERS {
        cluster.partition_leader(TOPIC, partition, Some(partition + 1))?;
    }
    Ok(cluster)
}
