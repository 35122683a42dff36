//! A TCP proxy that can delay the responses of a broker.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::mpsc::unbounded_channel,
    time::{Instant, sleep_until},
};

use super::settings::free_port;

/// The proxy; dropping it closes everything.
pub(crate) struct Proxy {
    port: u16,
    /// The port of the broker.
    target: Arc<Mutex<Option<u16>>>,
    delay_ms: Arc<AtomicU64>,
    _runtime: Runtime,
}

impl Proxy {
    /// Listens on a port of its own, and has no broker to forward to yet.
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (runtime, port) = (runtime.unwrap(), free_port());
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).unwrap();
        let (target, delay_ms) = (Arc::<Mutex<Option<u16>>>::default(), Arc::<AtomicU64>::default());
        let (leads_to, delayed) = (target.clone(), delay_ms.clone());
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let port = *leads_to.lock().unwrap();
                if let Some(port) = port {
                    tokio::spawn(connect(client, port, delayed.clone()));
                }
            }
        });
        Self { port, target, delay_ms, _runtime: runtime }
    }

    /// The port that clients connect to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Forwards to this port of the broker from now on.
    pub(super) fn lead_to(&self, port: u16) {
        *self.target.lock().unwrap() = Some(port);
    }

    /// Delays every response of the broker by this time from now on.
    pub(crate) fn delay(&self, by: Duration) {
        self.delay_ms.store(by.as_millis() as u64, Ordering::Relaxed);
    }
}

async fn connect(client: TcpStream, port: u16, delay_ms: Arc<AtomicU64>) {
    let Ok(broker) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    for stream in [&client, &broker] {
        stream.set_nodelay(true).unwrap();
    }
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
    let requests = forward(from_client, to_broker, Arc::default());
    tokio::join!(requests, forward(from_broker, to_client, delay_ms));
}

/// Hands on bytes, each after the delay that was in force when it came.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay_ms: Arc<AtomicU64>,
) {
    let (queue, mut queued) = unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let due = Instant::now() + Duration::from_millis(delay_ms.load(Ordering::Relaxed));
            if queue.send((due, bytes[..count].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = queued.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
