//! The endpoints of AWS that hand out credentials, as small servers that a test scripts.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use crate::support::msk_iam::access_key::AccessKey;

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `GET /v1/credentials`
    pub(crate) line: String,
    /// The header lines, in lower case, and then the body as it came.
    pub(crate) rest: String,
}

/// An answer: its status and its body.
pub(crate) type Answer = (u16, String);

/// A server on loopback. It ends with the test.
pub(crate) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server that answers each request by this function.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        Self::start_with_clock(0, answer)
    }

    /// The same with a clock that differs from ours by this many seconds.
    pub(crate) fn start_with_clock(clock: i64, answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (requests, ended) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (seen, end) = (requests.clone(), ended.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                // A client that goes away is no failure of the test.
                let Some((stream, request)) = stream.ok().and_then(read) else { continue };
                seen.lock().expect("no panic").push(request.clone());
                write(stream, clock, answer(&request));
            }
        });
        Self { address, requests, ended }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        _ = TcpStream::connect(&self.address);
    }
}

fn read(stream: TcpStream) -> Option<(TcpStream, Request)> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut rest = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        rest.push_str(&header.to_lowercase());
    }
    let length = rest.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    rest.push_str(&String::from_utf8_lossy(&body));
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some((reader.into_inner(), Request { line, rest }))
}

fn write(mut stream: TcpStream, clock: i64, (status, body): Answer) {
    let shift = Duration::from_secs(clock.unsigned_abs());
    let now = SystemTime::now();
    let date = httpdate::fmt_http_date(if clock < 0 { now - shift } else { now + shift });
    // An instance gives the lifetime of its session tokens in seconds. Other endpoints have no such header.
    let head = format!(
        "HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-length: {}\r\nconnection: close\r\n\
         x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n",
        body.len()
    );
    _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// An instant `lifetime` from now, as AWS writes it: `2026-11-29T21:00:00Z`.
pub(crate) fn expiry(lifetime: Duration) -> String {
    let instant = humantime::format_rfc3339_seconds(SystemTime::now() + lifetime);
    instant.to_string()
}

/// The answer of a container's endpoint and of an instance: a key that expires after `lifetime`.
pub(crate) fn key_as_json(key: &AccessKey, lifetime: Duration) -> String {
    let AccessKey { id, secret, session_token, .. } = key;
    serde_json::json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": id,
        "SecretAccessKey": secret,
        "Token": session_token,
        "Expiration": expiry(lifetime),
        "LastUpdated": expiry(Duration::ZERO),
    })
    .to_string()
}

/// The answer of STS to an action: a key that expires after `lifetime`.
pub(crate) fn key_as_xml(action: &str, key: &AccessKey, lifetime: Duration) -> String {
    let AccessKey { principal, id, secret, session_token } = key;
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><AssumedRoleId>AROA:test</AssumedRoleId><Arn>{principal}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         </{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>",
        session_token.as_deref().unwrap_or_default(),
        expiry(lifetime),
    )
}

/// The answer of STS that refuses an action.
pub(crate) fn refusal_as_xml(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
}
