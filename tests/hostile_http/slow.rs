//! Clients that read slowly, do not read, or leave at once: they cost little, and their connections end.

use std::{fs, net::SocketAddr};

use socket2::{Domain, Socket, Type};

use super::*;

/// The time from one answer of `/livez` to the next request.
const PAUSE: Duration = Duration::from_millis(100);

/// The resources that the process of a service holds, read from `/proc`.
#[derive(Clone, Copy)]
struct Held(u32);

impl Held {
    fn status(self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).expect("a process that runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line of the status");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Resident memory in megabytes.
    fn memory(self) -> u64 {
        self.status("VmRSS") / 1024
    }

    fn threads(self) -> u64 {
        self.status("Threads")
    }

    fn sockets(self) -> usize {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.0)).expect("a process that runs");
        let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
        let targets = descriptors.flatten().filter_map(target);
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }
}

/// A service with so many series that `/metrics` has some megabytes. It has collected them already.
fn large() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Service) {
    let kafka = MockCluster::new(3).expect("an embedded cluster");
    kafka.create_topic("kafka-heartbeat", 3, 3).expect("a topic");
    for topic in 0..200 {
        kafka.create_topic(&format!("topic-{topic}"), 10, 1).expect("a topic");
    }
    let servers = kafka.bootstrap_servers();
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {servers}\n[labels]\nlong = {}\n[lag]\ninterval = 5s\n[freshness]\ninterval = 5s\n",
        "x".repeat(1_000)
    ));
    let mut length = 0;
    let large = try_wait(Duration::from_secs(150), || {
        length = get(service.address(), "/metrics")?.len();
        (length > 6 << 20).then_some(())
    });
    assert!(large.is_some(), "the exposition has {length} bytes: {}", service.log());
    eprintln!("the exposition has {length} bytes");
    (kafka, service)
}

/// A client with a small receive window that has sent a request and reads nothing yet.
fn client(address: &str, request: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small window");
    let address: SocketAddr = address.parse().expect("an address");
    socket.connect(&address.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.write_all(request.as_bytes()).expect("a request sent");
    stream
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

/// Asks for `/livez` again and again until `over` holds. Returns the sorted times that the answers took.
fn alive_until(what: &str, limit: Duration, address: &str, mut over: impl FnMut() -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut asked = None::<Instant>;
    wait_for(what, limit, || {
        if asked.is_none_or(|at| at.elapsed() >= PAUSE) {
            let begun = Instant::now();
            assert_eq!(get(address, "/livez").as_deref(), Some("ok\n"), "after {times:?}");
            times.push(begun.elapsed());
            asked = Some(begun);
        }
        over().then_some(())
    });
    times.sort();
    let nine_in_ten = times[times.len() * 9 / 10];
    eprintln!(
        "{what}: {} answers, 9 of 10 in {nine_in_ten:?}, all in {:?}",
        times.len(),
        times[times.len() - 1]
    );
    assert!(nine_in_ten < Duration::from_secs(1), "{times:?}");
    times
}

#[test]
fn clients_that_read_slowly_are_ended_and_cost_little_memory() {
    let (_kafka, service) = large();
    let held = Held(service.pid());
    let (memory, sockets) = (held.memory(), held.sockets());
    let mut clients: Vec<_> = (0..60)
        .map(|number| match number % 3 {
            // Many answers on one connection, which the client does not read.
            0 => client(service.address(), &request("/api/v1/topics").repeat(500)),
            _ => client(service.address(), &request("/metrics")),
        })
        .collect();
    let (mut most, mut read) = (0, Instant::now());
    // The server waits half a minute for a client that reads nothing.
    alive_until("slow readers to be ended", Duration::from_secs(60), service.address(), || {
        most = most.max(held.memory());
        // A third of the clients reads one byte each second, the others read nothing.
        if read.elapsed() >= Duration::from_secs(1) {
            read = Instant::now();
            clients.iter_mut().skip(1).step_by(3).for_each(|client| _ = client.read(&mut [0]));
        }
        held.sockets() <= sockets + 5
    });
    eprintln!("{memory} MB before, {most} MB at most, {} MB after", held.memory());
    assert!(most < memory + 150, "{memory} MB before, {most} MB at most");
}

#[test]
fn clients_that_leave_at_once_cost_nothing_that_lasts() {
    let (_kafka, service) = large();
    let held = Held(service.pid());
    let (memory, sockets, threads) = (held.memory(), held.sockets(), held.threads());
    let (mut left, mut most) = (1_000, 0);
    alive_until(
        "the traces of a thousand clients to vanish",
        Duration::from_secs(90),
        service.address(),
        || {
            for _ in 0..left.min(50) {
                drop(client(service.address(), &request(["/metrics", "/api/v1/topics"][left % 2])));
                left -= 1;
            }
            most = most.max(held.memory());
            left == 0 && held.sockets() <= sockets + 5
        },
    );
    let after = (held.memory(), held.threads());
    eprintln!("{memory} MB before, {most} MB at most, {} MB after", after.0);
    assert!(most < memory + 150, "{memory} MB before, {most} MB at most");
    // The two workers, and a blocking thread for each rendering.
    assert!(after.1 <= threads + 8, "{threads} threads before, {} after", after.1);
}

#[test]
fn memory_of_three_hundred_slow_connections_comes_back() {
    let (_kafka, service) = large();
    let held = Held(service.pid());
    let (memory, sockets) = (held.memory(), held.sockets());
    // A header that is almost as long as allowed and never ends, or an answer that the client does not read.
    let header = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx-long: {}", "a".repeat(60_000));
    let slow: Vec<_> = (0..300)
        .map(|number| match number % 3 {
            0 => client(service.address(), &request("/metrics")),
            _ => client(service.address(), &header),
        })
        .collect();
    // Without optimisation it takes a second to read so many headers.
    wait_for("the headers to be read", Duration::from_secs(30), || get(service.address(), "/livez"));
    let (mut most, end) = (0, Instant::now() + Duration::from_secs(5));
    alive_until("five seconds to pass", Duration::from_secs(30), service.address(), || {
        most = most.max(held.memory());
        Instant::now() >= end
    });
    drop(slow);
    let begun = Instant::now();
    wait_for("the sockets to be closed", Duration::from_secs(60), || {
        (held.sockets() <= sockets + 5).then_some(())
    });
    // Free memory is given back every half minute.
    let returned = try_wait(Duration::from_secs(90), || (held.memory() <= memory + 15).then_some(()));
    eprintln!("{memory} MB before, {most} MB at most, {} MB {:?} after", held.memory(), begun.elapsed());
    assert!(returned.is_some(), "{memory} MB before, {most} MB at most, {} MB after", held.memory());
    assert!(most < memory + 200, "{memory} MB before, {most} MB at most");
}

#[test]
fn answer_that_is_read_slowly_is_not_cut_off_by_the_limit_of_the_first_request() {
    let (_kafka, service) = large();
    let held = Held(service.pid());
    let sockets = held.sockets();
    let mut slow = client(service.address(), &request("/metrics"));
    let mut idle = client(service.address(), &request("/livez"));
    let mut watching = client(service.address(), &request("/events"));
    watching.set_read_timeout(Some(SUPERVISOR)).expect("a socket");
    let begun = Instant::now();
    wait_for("three connections", Duration::from_secs(10), || (held.sockets() >= sockets + 3).then_some(()));
    // The limit of ten seconds holds for the first request, which came in time.
    wait_for("fifteen seconds to pass", Duration::from_secs(60), || {
        assert!(slow.read(&mut [0; 200]).is_ok_and(|read| read > 0), "ended after {:?}", begun.elapsed());
        assert!(
            watching.read(&mut [0; 99_999]).is_ok_and(|read| read > 0),
            "ended after {:?}",
            begun.elapsed()
        );
        (begun.elapsed() > Duration::from_secs(15)).then_some(())
    });
    assert!(!is_closed_after_reading(&mut idle), "a connection that is idle between two requests");
}

/// Whether the server has closed a connection, after the answers that it had sent.
fn is_closed_after_reading(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
