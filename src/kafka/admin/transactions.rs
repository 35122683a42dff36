//! Open transactions, by the leaders of partitions and by their coordinators (Kafka 3.0, KIP-664).

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::{
    ResponseError,
    messages::{
        self, DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest,
        TransactionalId, describe_producers_request::TopicRequest,
        describe_transactions_response::TransactionState,
    },
};

use super::{
    offsets::ByLeader,
    protocol::{check, text, topic_name},
};
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::Chain,
};

const PRODUCERS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 0 };
const LIST: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };
const DESCRIBE: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 0 };

/// The states of a transaction whose end is not in the log yet, in Kafka's words.
const UNFINISHED: [&str; 4] = ["Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"];

/// A transaction that is open on a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The id of the producer that has the transaction open.
    pub producer: i64,
    /// The offset of the transaction's first record on the partition.
    pub first: i64,
}

/// A transaction as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The transactional id of the producer, which is hostile text.
    pub id: String,
    /// The id of the producer that has the transaction open.
    pub producer: i64,
    /// When the transaction began, in milliseconds since 1970. Absent for a transaction that has ended.
    pub since_ms: Option<i64>,
    /// The partitions with records of the transaction, by topic.
    pub partitions: BTreeMap<Arc<str>, Vec<i32>>,
}

/// The open transactions of each partition, by topic and partition. A partition that cannot be described has the fault.
pub type OpenTransactions = BTreeMap<Arc<str>, BTreeMap<i32, Result<Vec<OpenTransaction>, Fault>>>;

/// The transactions that are open on these partitions, from all leaders at the same time.
pub async fn open_transactions(cluster: &wire::Cluster, wanted: &ByLeader) -> OpenTransactions {
    let asked = wanted.iter().map(async |(leader, topics)| {
        let topic = |(name, partitions): (&Arc<str>, &Vec<i32>)| {
            TopicRequest::default().with_name(topic_name(name)).with_partition_indexes(partitions.clone())
        };
        let request = DescribeProducersRequest::default().with_topics(topics.iter().map(topic).collect());
        let answer = cluster.ask(*leader, &request, PRODUCERS).await;
        let all = |fault: Fault| -> OpenTransactions {
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
            for described in topic.partitions {
                let Some(partition) = partitions.get_mut(&described.partition_index) else { continue };
                // Kafka writes −1 for a producer without an open transaction.
                let open = described.active_producers.iter().filter(|one| one.current_txn_start_offset >= 0);
                let transactions = open.map(|one| OpenTransaction {
                    producer: one.producer_id.0,
                    first: one.current_txn_start_offset,
                });
                let checked = check(described.error_code, "", None).map_err(|error| error.fault());
                *partition = checked.map(|()| transactions.collect());
            }
        }
        found
    });
    let mut found = OpenTransactions::new();
    for (topic, partitions) in join_all(asked).await.into_iter().flatten() {
        found.entry(topic).or_default().extend(partitions);
    }
    found
}

/// The transactions of these producers. Each broker describes those that it coordinates.
///
/// # Errors
/// The fault of a broker that did not answer, because the transactions that it coordinates are unknown.
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
        let ids: Vec<_> =
            answer.transaction_states.into_iter().map(|listed| listed.transactional_id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        describe(cluster, *broker, ids).await
    });
    let described: Result<Vec<Vec<Transaction>>, Fault> = join_all(asked).await.into_iter().collect();
    Ok(described?.into_iter().flatten().collect())
}

async fn describe(
    cluster: &wire::Cluster,
    broker: BrokerId,
    ids: Vec<TransactionalId>,
) -> Result<Vec<Transaction>, Fault> {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let answer = cluster.ask(broker, &request, DESCRIBE).await.map_err(|error| error.fault())?;
    // A transaction that cannot be described might be the one that the caller looks for.
    let checked = |state: TransactionState| match check(state.error_code, "", None) {
        Ok(()) => Ok(transaction(state)),
        Err(error) => Err(error.fault()),
    };
    answer.transaction_states.into_iter().map(checked).collect()
}

/// The transaction that a producer with this transactional id has left open, as the coordinator of the id describes it. `None` if
/// the producer has none open, or if the coordinator does not know the id.
///
/// # Errors
/// Why the coordinator did not describe it.
pub async fn left_open(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    transactional_id: &str,
) -> Result<Option<Transaction>, Error> {
    let ids = vec![TransactionalId(text(transactional_id))];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let answer = cluster.ask(coordinator, &request, DESCRIBE).await?;
    let Some(state) = answer.transaction_states.into_iter().next() else { return Ok(None) };
    if state.error_code == ResponseError::TransactionalIdNotFound.code() {
        return Ok(None);
    }
    check(state.error_code, "the own transactional id", None)?;
    let is_open = UNFINISHED.contains(&state.transaction_state.as_str());
    Ok(is_open.then(|| transaction(state)))
}

fn transaction(state: TransactionState) -> Transaction {
    Transaction {
        id: state.transactional_id.0.to_string(),
        producer: state.producer_id.0,
        since_ms: (state.transaction_start_time_ms >= 0).then_some(state.transaction_start_time_ms),
        partitions: state
            .topics
            .into_iter()
            .map(|topic| (topic.topic.0.as_str().into(), topic.partitions))
            .collect(),
    }
}
