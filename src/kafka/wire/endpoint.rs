//! The address of a broker's listener.

use std::{fmt, net::IpAddr};

use crate::text::plain;

/// The port that librdkafka takes where a listed broker has none.
const DEFAULT_PORT: &str = "9092";

/// The address of a broker's listener.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A host name or an IP address. It may come from a broker's metadata and is hostile text then.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `[v6]:port`, or `host` with librdkafka's default port. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':').unwrap_or(DEFAULT_PORT))
            }
            None => text.rsplit_once(':').unwrap_or((text, DEFAULT_PORT)),
        };
        let port = port.parse().ok().filter(|port| *port != 0)?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return None;
        }
        Some(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        let host = plain(host);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The family of IP addresses that the client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressFamily {
    Any,
    V4,
    V6,
}

impl AddressFamily {
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            AddressFamily::Any => true,
            AddressFamily::V4 => address.is_ipv4(),
            AddressFamily::V6 => address.is_ipv6(),
        }
    }
}
