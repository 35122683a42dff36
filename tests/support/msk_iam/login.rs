//! A bare SASL/OAUTHBEARER login: it sends any token, and shows what the broker answers.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeRequest,
    },
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};

/// A connection after its first login. Dropping it closes the connection.
pub(crate) struct Login {
    stream: TcpStream,
    /// The lifetime of the session that the broker grants (KIP-368).
    pub(crate) lifetime: Duration,
}

/// Signs in with a token at a listener without TLS.
///
/// # Errors
/// The broker's reason, if it refuses the token.
pub(crate) fn login(address: &str, token: &str) -> Result<Login, String> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut login = Login { stream, lifetime: Duration::ZERO };
    login.again(token)?;
    Ok(login)
}

impl Login {
    /// Signs in again on the same connection.
    ///
    /// # Errors
    /// The broker's reason, if it refuses the token.
    pub(crate) fn again(&mut self, token: &str) -> Result<(), String> {
        let mechanism = StrBytes::from_static_str("OAUTHBEARER");
        let offer = self.ask(&SaslHandshakeRequest::default().with_mechanism(mechanism), 1);
        let offer = offer.expect("an answer to the handshake");
        assert_eq!(offer.error_code, 0, "the listener offers {:?}", offer.mechanisms);
        let mut answer = self.send(format!("n,,\x01auth=Bearer {token}\x01\x01"));
        // The broker's first answer to a wrong token is its reason as JSON. It ends the login when the client has replied.
        if answer.error_code == 0 && !answer.auth_bytes.is_empty() {
            answer = self.send("\x01".to_owned());
        }
        if answer.error_code != 0 {
            return Err(answer.error_message.as_deref().unwrap_or_default().to_owned());
        }
        self.lifetime = Duration::from_millis(answer.session_lifetime_ms.unsigned_abs());
        Ok(())
    }

    /// Whether the broker still answers a request.
    pub(crate) fn is_open(&mut self) -> bool {
        let request = kafka_protocol::messages::MetadataRequest::default().with_topics(Some(Vec::new()));
        self.ask(&request, 9).is_some()
    }

    fn send(&mut self, message: String) -> SaslAuthenticateResponse {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        self.ask(&request, 1).expect("an answer to the login")
    }

    /// The answer, or none if the broker has closed the connection.
    fn ask<R: Request>(&mut self, request: &R, version: i16) -> Option<R::Response> {
        let mut frame = BytesMut::new();
        let header = RequestHeader::default().with_request_api_key(R::KEY).with_request_api_version(version);
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&length[..], &frame].concat()).ok()?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer).ok()?;
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, R::Response::header_version(version)).unwrap();
        Some(R::Response::decode(&mut answer, version).unwrap())
    }
}
