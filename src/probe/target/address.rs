//! The address of a broker that a request or the metadata of another broker names.

use std::{fmt, net::Ipv6Addr};

use crate::kafka::wire::Endpoint;

/// The longest host name of DNS, in characters.
const LONGEST_HOST: usize = 253;

/// An address in one spelling: the same address has the same text, whatever its spelling was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address(Endpoint);

impl Address {
    /// Reads `host:port`, `[v6]:port`, or `host` with Kafka's usual port 9092. `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Endpoint::parse(text).and_then(|Endpoint { host, port }| Self::new(&host, port))
    }

    /// An address that a broker advertises. `None` if its host is no host name and no IP address, or if its port is 0.
    pub(super) fn new(host: &str, port: u16) -> Option<Self> {
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => address.to_string(),
            Err(_) => Some(host.to_ascii_lowercase()).filter(|host| is_name(host))?,
        };
        (port != 0).then_some(Self(Endpoint { host, port }))
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0
    }
}

/// Whether a text has only the characters of host names and of IPv4 addresses.
fn is_name(host: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=LONGEST_HOST).contains(&host.len()) && host.bytes().all(is_known)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_has_one_text_whatever_its_spelling() {
        for (text, address) in [
            ("broker-1.example.com:9092", "broker-1.example.com:9092"),
            ("Broker_1.EXAMPLE.com:9092", "broker_1.example.com:9092"),
            ("10.0.0.1:19092", "10.0.0.1:19092"),
            ("[::1]:9092", "[::1]:9092"),
            ("[0:0:0:0:0:0:0:1]:9092", "[::1]:9092"),
            ("broker", "broker:9092"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Some(address));
        }
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        let long = format!("{}:9092", "a".repeat(254));
        for text in [
            "",
            ":9092",
            "a:0",
            "a:x",
            "a:65536",
            "a b:1",
            "http://a:1",
            "a:1,b:2",
            "a:1:2",
            "::1",
            "[a]:1:2",
            "a/b:1",
            "user@a:1",
            "a\n:1",
            "[fe80::1%eth0]:1",
            &long,
        ] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
    }
}
