//! Transactions: who writes to a partition, and what their coordinators know of it (Kafka 3.0, KIP-664).

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{
    self, DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest, TransactionalId,
    describe_producers_request::TopicRequest, describe_transactions_response::TransactionState,
};

use super::{
    offsets::ByLeader,
    protocol::{check, topic_name},
};
use crate::{
    kafka::{BrokerId, Fault, wire},
    text::Chain,
};

const PRODUCERS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 0 };
const LIST: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };
const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 0 };

/// Who has a transaction open on a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer {
    /// The producer's id.
    pub producer: i64,
    /// The transaction's first record on the partition.
    pub first: i64,
}

/// What a coordinator knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The id that its producer was given: hostile text.
    pub id: String,
    /// The producer's id.
    pub producer: i64,
    /// When it began, in milliseconds since 1970; absent for one that is over.
    pub since_ms: Option<i64>,
    /// Partitions that it has written to, by topic.
    pub partitions: BTreeMap<Arc<str>, Vec<i32>>,
}

/// Writers of each partition that have a transaction open there.
pub type Writers = BTreeMap<Arc<str>, BTreeMap<i32, Result<Vec<Writer>, Fault>>>;

/// Asks leaders who has a transaction open on these partitions, all leaders at once.
pub async fn writers(cluster: &wire::Cluster, wanted: &ByLeader) -> Writers {
    let asked = wanted.iter().map(async |(leader, topics)| {
        let topic = |(name, partitions): (&Arc<str>, &Vec<i32>)| {
            TopicRequest::default().with_name(topic_name(name)).with_partition_indexes(partitions.clone())
        };
        let request = DescribeProducersRequest::default().with_topics(topics.iter().map(topic).collect());
        let answer = cluster.ask(*leader, &request, PRODUCERS).await;
        let all = |fault: Fault| -> Writers {
            let each =
                |partitions: &Vec<i32>| partitions.iter().map(|number| (*number, Err(fault))).collect();
            topics.iter().map(|(name, partitions)| (name.clone(), each(partitions))).collect()
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%leader, "producers: {}", Chain(&error));
                return all(error.fault());
            }
        };
        let mut found = all(Fault::Protocol);
        for topic in answer.topics {
            let Some(partitions) = found.get_mut(topic.name.0.as_str()) else { continue };
            for told in topic.partitions {
                let Some(partition) = partitions.get_mut(&told.partition_index) else { continue };
                // Kafka writes -1 for a producer without a transaction.
                let open = told.active_producers.iter().filter(|one| one.current_txn_start_offset >= 0);
                let writers = open
                    .map(|one| Writer { producer: one.producer_id.0, first: one.current_txn_start_offset });
                let checked = check(told.error_code, "", None).map_err(|error| error.fault());
                *partition = checked.map(|()| writers.collect());
            }
        }
        found
    });
    let mut found = Writers::new();
    for (topic, partitions) in join_all(asked).await.into_iter().flatten() {
        found.entry(topic).or_default().extend(partitions);
    }
    found
}

/// What is known of the transactions of these producers; every broker is asked for those it coordinates.
///
/// # Errors
/// The fault of a broker that did not answer: what it coordinates is not known.
pub async fn transactions(
    cluster: &wire::Cluster,
    brokers: &[BrokerId],
    producers: &[i64],
) -> Result<Vec<Transaction>, Fault> {
    let asked = brokers.iter().map(async |broker| {
        let ids = producers.iter().map(|id| messages::ProducerId(*id)).collect();
        let request =
            ListTransactionsRequest::default().with_producer_id_filters(ids).with_duration_filter(-1);
        let answer = cluster.ask(*broker, &request, LIST).await.map_err(|error| error.fault())?;
        check(answer.error_code, "", None).map_err(|error| error.fault())?;
        let ids: Vec<_> = answer.transaction_states.into_iter().map(|told| told.transactional_id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        describe(cluster, *broker, ids).await
    });
    let told: Result<Vec<Vec<Transaction>>, Fault> = join_all(asked).await.into_iter().collect();
    Ok(told?.into_iter().flatten().collect())
}

async fn describe(
    cluster: &wire::Cluster,
    broker: BrokerId,
    ids: Vec<TransactionalId>,
) -> Result<Vec<Transaction>, Fault> {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let answer = cluster.ask(broker, &request, DESCRIBE).await.map_err(|error| error.fault())?;
    let transaction = |told: TransactionState| Transaction {
        id: told.transactional_id.0.to_string(),
        producer: told.producer_id.0,
        since_ms: (told.transaction_start_time_ms >= 0).then_some(told.transaction_start_time_ms),
        partitions: told
            .topics
            .into_iter()
            .map(|topic| (topic.topic.0.as_str().into(), topic.partitions))
            .collect(),
    };
    // One that is not told might be the one that is asked for.
    let checked = |told: TransactionState| match check(told.error_code, "", None) {
        Ok(()) => Ok(transaction(told)),
        Err(error) => Err(error.fault()),
    };
    answer.transaction_states.into_iter().map(checked).collect()
}
