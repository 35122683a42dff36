//! Producer ids of transactional producers, from InitProducerId requests.

use std::time::Duration;

use kafka_protocol::{
    ResponseError,
    messages::{InitProducerIdRequest, TransactionalId},
};

use super::protocol::{fault_of, text};
use crate::kafka::{BrokerId, Error, Fault, wire};

/// Higher versions differ in flags that are not set here.
const INIT: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 4 };

/// The timeout of a transaction that is never begun. Brokers refuse a timeout above `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT_MS: i32 = 1000;

/// Asks the coordinator of a transactional id for a producer id. This ends an open transaction of the id and fences its other
/// producers, so the id must be one of the service's own. Returns the time from sending the request to the whole response, or
/// the fault with which the coordinator refused it. A coordinator that still works on the request of another client for the same
/// id works.
///
/// # Errors
/// When the broker did not answer.
pub async fn init_producer_id(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    transactional_id: &str,
) -> Result<Result<Duration, Fault>, Error> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(transactional_id))))
        .with_transaction_timeout_ms(TRANSACTION_TIMEOUT_MS);
    let (answer, duration) = cluster.ask_timed(coordinator, &request, INIT).await?;
    let works = [ResponseError::ConcurrentTransactions, ResponseError::InvalidTransactionTimeout];
    if works.iter().any(|error| error.code() == answer.error_code) {
        return Ok(Ok(duration));
    }
    Ok(fault_of(answer.error_code).map(|()| duration))
}
