//! A Kafka client of a few lines that signs in with OAUTHBEARER. It uses neither librdkafka nor our wire client, so the
//! tests of the real brokers do not depend on either.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeRequest,
    },
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection to a broker. Dropping it closes the connection.
pub(crate) struct SaslClient {
    stream: Box<dyn Stream>,
}

impl SaslClient {
    /// A connection without TLS.
    pub(crate) fn plaintext(address: &str) -> Self {
        Self { stream: Box::new(connect(address)) }
    }

    /// A connection with TLS that trusts one authority.
    pub(crate) fn tls(address: &str, authority: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(authority).expect("a CA certificate in PEM");
        roots.add(authority).expect("a CA certificate that rustls accepts");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "127.0.0.1".try_into().expect("an IP address is a server name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a TLS client");
        Self { stream: Box::new(StreamOwned::new(connection, connect(address))) }
    }

    /// Sends a request and reads its answer. An error means that the broker closed the connection, or said nothing for long.
    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version);
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version)).expect("a header that can be encoded");
        request.encode(&mut body, version).expect("a request that can be encoded");
        let mut frame = BytesMut::new();
        frame.put_u32(body.len() as u32);
        frame.put(body);
        self.stream.write_all(&frame)?;
        self.stream.flush()?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer)?;
        let mut answer = Bytes::from(answer);
        let header_version = <R::Response as HeaderVersion>::header_version(version);
        ResponseHeader::decode(&mut answer, header_version).expect("a response header");
        Ok(R::Response::decode(&mut answer, version).expect("a response of the version that was asked for"))
    }

    /// Asks for a mechanism. Returns the error code, and the mechanisms that the listener offers.
    pub(crate) fn handshake(&mut self, mechanism: &'static str) -> (i16, Vec<String>) {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let answer = self.ask(&request, 1).expect("an answer to SaslHandshake");
        (answer.error_code, answer.mechanisms.iter().map(ToString::to_string).collect())
    }

    /// Signs in with a token, for the first time on this connection or again.
    pub(crate) fn sign_in(&mut self, token: &str) -> SaslAuthenticateResponse {
        assert_eq!(self.handshake("OAUTHBEARER").0, 0);
        self.authenticate(format!("n,,\x01auth=Bearer {token}\x01\x01").as_bytes())
    }

    /// One round of SaslAuthenticate. Version 1 is the first whose answer has the lifetime of the session.
    pub(crate) fn authenticate(&mut self, message: &[u8]) -> SaslAuthenticateResponse {
        let bytes = Bytes::copy_from_slice(message);
        self.ask(&SaslAuthenticateRequest::default().with_auth_bytes(bytes), 1)
            .expect("an answer to SaslAuthenticate")
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a listener at the address");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket with a time limit");
    stream
}
