//! Whether this process can open a connection at all. Without a free file descriptor it cannot, which is no fault of Kafka.

use socket2::{Domain, Socket, Type};

use super::Fault;

/// Whether the system refuses a further socket because this process, or its machine, has no file descriptor left. The
/// check opens a socket and closes it again, which takes a few microseconds.
pub fn are_missing() -> bool {
    // A system without IPv4 refuses the socket with another error, which does not count here.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None);
    socket.is_err_and(|error| Fault::from_io(&error).is_ours())
}

#[cfg(test)]
mod tests {
    #[test]
    fn descriptors_of_a_process_that_can_open_sockets_are_not_missing() {
        assert!(!super::are_missing());
    }
}
