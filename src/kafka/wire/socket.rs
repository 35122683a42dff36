//! The task that owns the socket of a connection: it writes the frames of requests and reads those of responses.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time,
};

use super::{
    guard,
    pending::{CloseReason, Pending},
    request_kind::MAX_FRAME,
};
use crate::kafka::Fault;

/// After a failed write, the reader has this time to find the last bytes of the peer, which may give the reason.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// Reads and writes the frames of a connection until one side closes it. A panic in the code of the session, which
/// includes TLS, ends this session alone.
pub(super) async fn drive<S>(stream: S, requests: mpsc::UnboundedReceiver<Bytes>, pending: Arc<Pending>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let session = async {
        tokio::select! {
            reason = read(reader, &pending) => reason,
            reason = write(writer, requests) => reason,
            () = pending.stop.cancelled() => CloseReason::new(Fault::Disconnected, "we closed the connection"),
        }
    };
    let reason = AssertUnwindSafe(session).catch_unwind().await;
    pending.close(reason.unwrap_or_else(|_| CloseReason::new(Fault::Protocol, "the session panicked")));
}

/// Writes requests until every handle of the connection is dropped.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut requests: mpsc::UnboundedReceiver<Bytes>,
) -> CloseReason {
    while let Some(frame) = requests.recv().await {
        let written = match writer.write_all(&frame).await {
            Ok(()) => writer.flush().await,
            failed => failed,
        };
        if let Err(error) = written {
            time::sleep(LAST_BYTES).await;
            return CloseReason::from_io(&error);
        }
    }
    CloseReason::new(Fault::Disconnected, "the connection is not used any more")
}

/// Reads responses until the peer closes the connection or breaks the protocol.
async fn read(mut reader: impl AsyncRead + Unpin, pending: &Pending) -> CloseReason {
    loop {
        let (id, frame) = match frame(&mut reader, pending).await {
            Ok(frame) => frame,
            Err(reason) => return reason,
        };
        if let Some(waiter) = pending.state().waiting.remove(&id) {
            // The send fails if the caller has stopped waiting. Such a caller needs no response.
            let _ = waiter.response.send(Ok(frame));
        }
    }
}

/// Reads one frame, and returns it with its correlation id, which must be that of a request that waits. The memory grows
/// with the bytes that arrive, not with the announced length, and ends at the limit of the request.
async fn frame(
    reader: &mut (impl AsyncRead + Unpin),
    pending: &Pending,
) -> Result<(i32, Bytes), CloseReason> {
    let mut prefix = [0; 4];
    reader.read_exact(&mut prefix).await.map_err(|error| CloseReason::from_io(&error))?;
    let announced = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(0);
    let refused = || Err(CloseReason::new(Fault::Protocol, guard::implausible(prefix)));
    if !(4..=MAX_FRAME).contains(&announced) {
        return refused();
    }
    let mut number = [0; 4];
    reader.read_exact(&mut number).await.map_err(|error| CloseReason::from_io(&error))?;
    let id = i32::from_be_bytes(number);
    let Some(max_frame) = pending.state().waiting.get(&id).map(|waiter| waiter.max_frame) else {
        return Err(CloseReason::new(
            Fault::Protocol,
            format!("a response to no request, with correlation id {id}"),
        ));
    };
    if announced > max_frame {
        return refused();
    }
    let mut frame = BytesMut::with_capacity(announced.min(8 << 10));
    frame.extend_from_slice(&number);
    let mut rest = reader.take((announced - number.len()) as u64);
    while frame.len() < announced {
        let read = rest.read_buf(&mut frame).await.map_err(|error| CloseReason::from_io(&error))?;
        if read == 0 {
            let why = format!("the broker closed the connection after {} of {announced} bytes", frame.len());
            return Err(CloseReason::new(Fault::Disconnected, why));
        }
    }
    Ok((id, frame.freeze()))
}
