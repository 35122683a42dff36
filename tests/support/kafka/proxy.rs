//! A TCP proxy before a listener of a broker. It can have the faults that a network has.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Runtime,
    sync::{mpsc::unbounded_channel, watch},
    time::{Instant, sleep_until, timeout},
};

use super::free_port;

/// The number of connections that wait until the proxy accepts them, while it has no fault.
const BACKLOG: i32 = 128;

/// The time after which a lost packet is sent again: the least of Linux.
const RETRANSMITTED: Duration = Duration::from_millis(200);

/// The time after which the first packet of a connection is sent again, if it was lost.
const CONNECTED_AGAIN: Duration = Duration::from_secs(1);

/// The fault of a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NetworkFault {
    /// Every byte is handed on at once.
    #[default]
    Absent,
    /// Every response is handed on later by this time.
    Delay(Duration),
    /// So many bytes a second are handed on, in each direction of each connection.
    Bandwidth(u32),
    /// Every fifth packet is lost, and sent again after [`RETRANSMITTED`]. A connection that is opened loses its first packet in
    /// the same way.
    Loss,
    /// The proxy accepts connections and hands on no byte, in either direction.
    Silent,
    /// The proxy hands on no byte, and no connection can be opened: the system drops its first packet.
    Dropped,
    /// The proxy resets every connection, and new connections are refused.
    Refused,
    /// The proxy resets each connection after this many bytes of responses since it was opened.
    ResetAfter(usize),
    /// The proxy closes each new connection at once. The connections that are open stay open.
    Closing,
}

impl NetworkFault {
    /// The number of packets that this fault has lost so far decides which packet is lost next, so that every run is the same.
    fn loses(self) -> bool {
        static PACKETS: AtomicU32 = AtomicU32::new(0);
        // 0.6180 of 1, the golden ratio, spreads the lost packets evenly and never in a row.
        self == NetworkFault::Loss
            && PACKETS.fetch_add(1, Ordering::Relaxed).wrapping_mul(2_654_435_769) < u32::MAX / 5
    }

    /// How much later the bytes of one packet arrive.
    fn delay(self, count: usize, is_response: bool) -> Duration {
        match self {
            NetworkFault::Delay(by) if is_response => by,
            NetworkFault::Bandwidth(bytes) => Duration::from_secs_f64(count as f64 / f64::from(bytes)),
            NetworkFault::Loss if self.loses() => RETRANSMITTED,
            _ => Duration::ZERO,
        }
    }

    /// Whether bytes stay in the proxy.
    fn holds(self) -> bool {
        matches!(self, NetworkFault::Silent | NetworkFault::Dropped)
    }
}

/// What a connection depends on.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    fault: NetworkFault,
    /// The port of the broker; without a port, new connections are closed.
    target: Option<u16>,
    /// It grows whenever the open connections are to be reset.
    cuts: u64,
}

/// The proxy; dropping it closes everything.
pub(crate) struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    _runtime: Runtime,
}

impl Proxy {
    /// Listens on a port of its own, and has no broker to forward to yet.
    pub(crate) fn start() -> Self {
        Self::start_from(Ipv4Addr::LOCALHOST)
    }

    /// [`Proxy::start`], with the address from which the proxy connects to the broker.
    pub(crate) fn start_from(source: Ipv4Addr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (runtime, port) = (runtime.unwrap(), free_port());
        let listener = runtime.block_on(listen(port));
        let (state, watched) = watch::channel(State::default());
        runtime.spawn(serve(port, source, listener, watched));
        Self { port, state, _runtime: runtime }
    }

    /// The port that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Forwards new connections to this port of the broker from now on.
    pub(crate) fn lead_to(&self, port: u16) {
        self.state.send_modify(|state| state.target = Some(port));
    }

    /// Resets every connection that is open.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Delays every response of the broker by this time from now on.
    pub(crate) fn delay(&self, by: Duration) {
        self.set(NetworkFault::Delay(by));
    }

    /// Has this fault from now on.
    pub(crate) fn set(&self, fault: NetworkFault) {
        self.state.send_modify(|state| state.fault = fault);
    }
}

async fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    SockRef::from(&listener).listen(BACKLOG).unwrap();
    listener
}

/// Accepts connections, and refuses or drops them while the fault says so.
async fn serve(port: u16, source: Ipv4Addr, mut listener: TcpListener, mut watched: watch::Receiver<State>) {
    loop {
        let fault = watched.borrow_and_update().fault;
        match fault {
            NetworkFault::Refused => {
                drop(listener);
                if watched.wait_for(|state| state.fault != NetworkFault::Refused).await.is_err() {
                    return;
                }
                listener = listen(port).await;
            }
            NetworkFault::Dropped => {
                let waiting = fill(port, &listener).await;
                if watched.wait_for(|state| state.fault != NetworkFault::Dropped).await.is_err() {
                    return;
                }
                SockRef::from(&listener).listen(BACKLOG).unwrap();
                drop(waiting);
            }
            _ => tokio::select! {
                changed = watched.changed() => if changed.is_err() { return },
                accepted = listener.accept() => if let Ok((client, _)) = accepted {
                    tokio::spawn(connect(client, source, watched.clone()));
                },
            },
        }
    }
}

/// Fills the queue of connections that wait to be accepted, so that the system drops the first packet of the next one.
async fn fill(port: u16, listener: &TcpListener) -> Vec<TcpStream> {
    SockRef::from(listener).listen(0).unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) =
        timeout(Duration::from_millis(50), TcpStream::connect(("127.0.0.1", port))).await
    {
        waiting.extend(connected);
    }
    waiting
}

/// Hands on the bytes of one connection until it ends. The client sees a reset where the fault says so.
async fn connect(mut client: TcpStream, source: Ipv4Addr, watched: watch::Receiver<State>) {
    let State { fault, target, cuts } = *watched.borrow();
    let Some(port) = target.filter(|_| fault != NetworkFault::Closing) else { return };
    if fault.loses() {
        tokio::time::sleep(CONNECTED_AGAIN).await;
    }
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((source, 0).into()).expect("an address of this machine");
    let Ok(mut broker) = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await else { return };
    for stream in [&client, &broker] {
        stream.set_nodelay(true).unwrap();
    }
    let mut ends = watched.clone();
    let is_reset = {
        let ((from_client, to_client), (from_broker, to_broker)) = (client.split(), broker.split());
        let requests = forward(from_client, to_broker, watched.clone(), false);
        let responses = forward(from_broker, to_client, watched, true);
        tokio::select! {
            ended = async { tokio::try_join!(requests, responses) } => ended.is_err(),
            _ = ends.wait_for(|state| state.cuts != cuts || state.fault == NetworkFault::Refused) => true,
        }
    };
    if is_reset {
        _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
    }
}

/// The fault asks for a reset of the connection.
struct Reset;

/// Hands on bytes, responses each after the delay that was in force when it came.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut watched: watch::Receiver<State>,
    is_response: bool,
) -> Result<(), Reset> {
    let (queue, mut queued) = unbounded_channel::<(Instant, Vec<u8>)>();
    let faults = watched.clone();
    let read = async move {
        let mut bytes = vec![0; 64 * 1024];
        let mut last = Instant::now();
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let fault = faults.borrow().fault;
            let (delay, now) = (fault.delay(count, is_response), Instant::now());
            // The bytes of a narrow link wait for all bytes before.
            let begin = if matches!(fault, NetworkFault::Bandwidth(_)) { now.max(last) } else { now };
            last = begin + delay;
            if queue.send((last, bytes[..count].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async move {
        let mut passed = 0;
        while let Some((due, bytes)) = queued.recv().await {
            sleep_until(due).await;
            let Ok(state) = watched.wait_for(|state| !state.fault.holds()).await.map(|state| *state) else {
                return Ok(());
            };
            let left = match state.fault {
                NetworkFault::ResetAfter(most) if is_response => most.saturating_sub(passed),
                _ => usize::MAX,
            };
            if to.write_all(&bytes[..bytes.len().min(left)]).await.is_err() {
                return Ok(());
            }
            if bytes.len() > left {
                return Err(Reset);
            }
            passed += bytes.len();
        }
        _ = to.shutdown().await;
        Ok(())
    };
    let ((), written) = tokio::join!(read, write);
    written
}
