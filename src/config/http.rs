//! `[http]`: where to listen, and who is let in.

use std::net::{SocketAddr, ToSocketAddrs};

use super::{Basic, Http, ServerTls, load::Reader};

impl Reader {
    pub(super) fn http(&mut self) -> Http {
        let tls = self.pair("http", "tls.certificate", "tls.key");
        let basic = self.pair("http", "basic.username", "basic.password");
        if basic.as_ref().is_some_and(|(username, _)| username.contains(':')) {
            self.expected("http", "basic.username", "a name without a colon");
        }
        Http {
            listen: self.listen(),
            tls: tls.map(|(certificate, key)| ServerTls { certificate: certificate.into(), key: key.into() }),
            basic: basic.map(|(username, password)| Basic { username, password }),
            connections: self.connections(),
            created_timestamps: self.parsed("http", "created_timestamps", "true or false"),
        }
    }

    fn connections(&mut self) -> usize {
        let connections = self.text("http", "connections").parse().ok().filter(|count| *count >= 1);
        connections.unwrap_or_else(|| {
            self.expected("http", "connections", "a number from 1");
            1
        })
    }

    fn listen(&mut self) -> SocketAddr {
        let text = self.text("http", "listen");
        // A name such as localhost may have an address of each family: the first of IPv4 is what people mean.
        let found: Vec<_> = text.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first()).copied();
        chosen.unwrap_or_else(|| {
            self.expected("http", "listen", "an address such as 127.0.0.1:8080");
            SocketAddr::from(([127, 0, 0, 1], 8080))
        })
    }
}
