//! librdkafka: the client that carries heartbeats.
//!
//! Settings become a producer and a consumer here; nothing else in the program touches librdkafka.
//! The two handles never share a connection. Nothing blocks but [`Consumer::next`], which belongs to a
//! thread of its own, and no admin call is ever made: librdkafka's abort the process when a broker is
//! sick. The `unsafe` calls ask a message whether it may have been written, and read partitions without a group.

mod background;
mod check;
mod complaints;
mod consumer;
mod context;
mod describe;
mod errors;
mod listener;
mod producer;
mod publisher;
mod settings;

pub use background::aside;
pub use check::{check, check_together};
pub use consumer::{Consumer, Read, Received};
pub use listener::{Listener, Report, Undelivered};
pub use producer::{Producer, Record};
pub use publisher::Publisher;
pub use settings::warnings;
