//! The Lease, with a scripted API server.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use kafka_heartbeat::ha::{Candidate, Lease, Place, Role, Standing};
use serde_json::{Value, json};

use crate::support::{certs::Authority, port};

/// What the API server does with each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Healthy,
    Forbids,
    Fails,
    Silent,
    Garbage,
    Huge,
}

/// An API server with at most one Lease.
struct Server {
    manners: Manners,
    token: String,
    lease: Option<Value>,
    version: u64,
}

type Shared = Arc<Mutex<Server>>;

/// The API server, and the files of a service account.
struct World {
    server: Shared,
    address: String,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let server = Server { manners: Manners::Healthy, token: "first".to_owned(), lease: None, version: 0 };
        let server = Arc::new(Mutex::new(server));
        let listener = port::listen();
        let address = listener.local_addr().expect("an address").to_string();
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("namespace"), "kafka\n").expect("a file");
        fs::write(folder.path().join("ca.crt"), Authority::new("kubernetes").pem()).expect("a file");
        let world = Self { server, address, folder };
        world.write_token("first");
        world
    }

    fn write_token(&self, token: &str) {
        fs::write(self.folder.path().join("token"), token).expect("a file");
    }

    fn lease(&self, instance: &str) -> Lease {
        self.lease_of(instance, self.folder.path())
    }

    fn lease_of(&self, instance: &str, credentials: &Path) -> Lease {
        let server = format!("http://{}", self.address).parse().expect("a URL");
        let place =
            Place { server, credentials: credentials.to_owned(), namespace: None, name: "l".to_owned() };
        Lease::new(place, instance)
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("no panic")
    }

    /// The field of the stored Lease's `spec`.
    fn spec(&self, field: &str) -> Value {
        self.server().lease.as_ref().expect("a Lease")["spec"][field].clone()
    }
}

async fn answer(State(server): State<Shared>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let manners = server.lock().expect("no panic").manners;
    match manners {
        Manners::Healthy => {}
        Manners::Forbids => {
            return refusal(StatusCode::FORBIDDEN, "leases \"l\" is forbidden: User \"\u{1b}x\" cannot get");
        }
        Manners::Fails => return refusal(StatusCode::SERVICE_UNAVAILABLE, "etcd has no leader"),
        Manners::Silent => std::future::pending().await,
        Manners::Garbage => return "<html>a proxy</html>".into_response(),
        Manners::Huge => return vec![b'x'; 1 << 20].into_response(),
    }
    let mut server = server.lock().expect("no panic");
    if headers["authorization"].to_str().ok() != Some(&format!("Bearer {}", server.token)) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let sent: Option<Value> = serde_json::from_slice(&body).ok();
    match (method, sent, server.lease.clone()) {
        (Method::GET, _, Some(lease)) => axum::Json(lease).into_response(),
        (Method::GET | Method::PUT, _, None) => refusal(StatusCode::NOT_FOUND, "leases \"l\" not found"),
        (Method::POST, _, Some(_)) => refusal(StatusCode::CONFLICT, "leases \"l\" already exists"),
        (Method::PUT, Some(sent), Some(lease))
            if sent["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] =>
        {
            refusal(StatusCode::CONFLICT, "the object has been modified")
        }
        (Method::POST | Method::PUT, Some(mut sent), _) => {
            server.version += 1;
            sent["metadata"]["resourceVersion"] = server.version.to_string().into();
            server.lease = Some(sent.clone());
            axum::Json(sent).into_response()
        }
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "not scripted"),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "kind": "Status", "message": message, "code": status.as_u16() })))
        .into_response()
}

/// Who leads, as this instance was told.
fn leader(standing: &Standing) -> Option<&str> {
    standing.leader_of("any")
}

async fn attempt(lease: &mut Lease) -> Standing {
    lease.attempt().await.expect("the API server answers")
}

#[tokio::test]
async fn first_instance_makes_the_lease_and_renews_it_while_the_second_one_follows() {
    let world = World::start().await;
    let (mut one, mut two) = (world.lease("one"), world.lease("two"));
    let before = Instant::now();
    let standing = attempt(&mut one).await;
    assert_eq!((standing.role, leader(&standing)), (Role::Leader, Some("one")));
    let until = standing.until.expect("an end");
    assert!(until > before + Duration::from_secs(9) && until < Instant::now() + Duration::from_secs(10));
    let standing = attempt(&mut two).await;
    assert_eq!((standing.role, leader(&standing)), (Role::Standby, Some("one")));
    let acquired = (world.spec("acquireTime"), world.spec("renewTime"));
    let renewed = attempt(&mut one).await;
    assert!(renewed.until > Some(until));
    assert_eq!(world.spec("acquireTime"), acquired.0);
    assert_ne!(world.spec("renewTime"), acquired.1);
    assert_eq!(world.spec("leaseTransitions"), 0);
}

#[tokio::test]
async fn lease_that_is_given_up_is_taken_over_at_once() {
    let world = World::start().await;
    let (mut one, mut two) = (world.lease("one"), world.lease("two"));
    attempt(&mut one).await;
    two.release().await.expect("nothing to give up");
    assert_eq!(attempt(&mut two).await.role, Role::Standby, "the Lease of another instance is not given up");
    one.release().await.expect("given up");
    assert_eq!(world.spec("holderIdentity"), "");
    let standing = attempt(&mut two).await;
    assert_eq!((standing.role, leader(&standing)), (Role::Leader, Some("two")));
    assert_eq!(world.spec("leaseTransitions"), 1);
}

#[tokio::test]
async fn lease_is_taken_over_only_after_it_was_seen_unchanged_for_its_duration_whatever_its_times_say() {
    let world = World::start().await;
    let (mut one, mut two) = (world.lease("one"), world.lease("two"));
    attempt(&mut one).await;
    // The clock of the leader is an hour behind, and then a day ahead.
    for renewed in ["2000-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"] {
        world.server().lease.as_mut().expect("a Lease")["spec"]["renewTime"] = renewed.into();
        assert_eq!(attempt(&mut two).await.role, Role::Standby, "{renewed}");
    }
    let seen = Instant::now();
    let taken = loop {
        let standing = attempt(&mut two).await;
        if standing.role == Role::Leader {
            break seen.elapsed();
        }
        assert!(seen.elapsed() < Duration::from_secs(30), "the Lease is never taken over");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(taken >= Duration::from_secs(15), "after {taken:?}");
    let standing = attempt(&mut one).await;
    assert_eq!((standing.role, leader(&standing)), (Role::Standby, Some("two")), "the old leader follows");
}

#[tokio::test]
async fn instance_that_loses_a_race_leads_not() {
    let world = World::start().await;
    let mut leases: Vec<_> = (0..8).map(|at| world.lease(&format!("i{at}"))).collect();
    for _ in 0..3 {
        let attempts = leases.iter_mut().map(|lease| async { attempt(lease).await });
        let standings = futures_util::future::join_all(attempts).await;
        let leading = standings.iter().filter(|standing| standing.role == Role::Leader).count();
        assert_eq!(leading, 1, "{standings:?}");
    }
}

#[tokio::test]
async fn renewed_token_is_used_with_the_next_attempt() {
    let world = World::start().await;
    let mut lease = world.lease("one");
    attempt(&mut lease).await;
    world.server().token = "second".to_owned();
    let refused = lease.attempt().await.expect_err("the token has expired");
    assert!(refused.contains("unauthorized") && refused.contains("token in "), "{refused}");
    assert!(!refused.contains("first"), "{refused}");
    world.write_token("second\n");
    assert_eq!(attempt(&mut lease).await.role, Role::Leader);
}

#[tokio::test]
async fn failure_of_the_api_server_is_an_error_that_names_the_remedy_and_comes_in_time() {
    let world = World::start().await;
    for (manners, words) in [
        (Manners::Forbids, "must allow get, create and update on leases of coordination.k8s.io"),
        (Manners::Fails, "status_5xx"),
        (Manners::Garbage, "not_json"),
        (Manners::Huge, "too_large"),
        (Manners::Silent, "no answer in time"),
    ] {
        world.server().manners = manners;
        let begun = Instant::now();
        let error = world.lease("one").attempt().await.expect_err("no answer");
        assert!(error.contains(words), "{manners:?}: {error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{manners:?} took {:?}", begun.elapsed());
    }
    let nowhere = world.folder.path().join("none");
    let error = world.lease_of("one", &nowhere).attempt().await.expect_err("no token");
    assert!(error.contains("none/token cannot be read"), "{error}");
}
