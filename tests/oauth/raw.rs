//! A Kafka client of a few lines that signs in with OAUTHBEARER: it knows neither librdkafka nor our wire client.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

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

/// A connection to a broker.
pub(crate) struct Raw {
    stream: Box<dyn Stream>,
}

impl Raw {
    /// A connection without TLS.
    pub(crate) fn plaintext(address: &str) -> Self {
        Self { stream: Box::new(connect(address)) }
    }

    /// A connection with TLS that trusts one authority.
    pub(crate) fn tls(address: &str, authority: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
        Self { stream: Box::new(StreamOwned::new(connection, connect(address))) }
    }

    /// Sends a request and reads its answer. An error means that the broker closed the connection, or said nothing for long.
    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version);
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version)).unwrap();
        request.encode(&mut body, version).unwrap();
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
        ResponseHeader::decode(&mut answer, header_version).unwrap();
        Ok(R::Response::decode(&mut answer, version).unwrap())
    }

    /// Asks for a mechanism: the error code, and the mechanisms that the listener offers.
    pub(crate) fn handshake(&mut self, mechanism: &'static str) -> (i16, Vec<String>) {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let answer = self.ask(&request, 1).unwrap();
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
        self.ask(&SaslAuthenticateRequest::default().with_auth_bytes(bytes), 1).unwrap()
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}
