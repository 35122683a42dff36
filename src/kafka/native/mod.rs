//! librdkafka: the client that carries heartbeats, and publishes findings and reports.
//!
//! The producer and the consumer of heartbeats are two clients that never share a connection. [`Consumer::next`] blocks
//! and needs a thread of its own. [`Producer::learn`], [`Producer::connect`] and [`Producer::finish`] block for a limited
//! time. A [`TransactionalProducer`] never blocks: each of its steps runs on a thread of its own. Apart from this folder, the
//! demo's embedded brokers and the version that the process reports use librdkafka.
//!
//! No admin request of librdkafka is ever sent, because these abort the process when a broker is sick. The `unsafe` calls
//! of this folder find out whether a record may have been written, read partitions without a consumer group, and hand over
//! tokens and passwords.

mod background;
mod check;
mod complaints;
mod consumer;
mod context;
mod describe;
mod errors;
mod listener;
mod login_feed;
mod polled;
mod producer;
mod publisher;
mod settings;
mod token_feed;
mod transactional;

pub use background::run_aside;
pub use check::{check, check_module, check_together};
pub use consumer::{Consumer, ConsumerEvent, ReceivedRecord};
pub use listener::{Delivery, DeliveryFailure, Listener};
pub use producer::{Producer, Record};
pub use publisher::Publisher;
pub use settings::warnings;
pub use transactional::{StepFailure, TransactionalProducer};
