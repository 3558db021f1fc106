//! The HTTP server's connections: how many there may be, how long one may say nothing, and how they end. Requests go to
//! the router; HTTP/1.1 alone is spoken.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future as _;
use std::io::Cursor;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Descriptors that stay free for the database, for calls to remotes, and for files.
const RESERVE: u64 = 128;
/// Bytes of the head of a request at most, and of what is read of a body at once.
const BUFFER: usize = 64 * 1024;
/// Bytes of a head up to which it is waited for its end without the server's buffers. A longer one has them at once.
const WAITED_FOR: usize = 4 * 1024;
/// The longest way to write the end of a head.
const END: &[u8] = b"\n\r\n";
/// Bytes that are read of a head at once while its end is waited for.
const AT_ONCE: usize = 512;
/// How long requests under way may take to be answered after a stop: longer than any of them may take.
const LAST_ANSWERS: Duration = Duration::from_secs(35);
/// Bytes a second that who reads an answer takes at least, once the time is over in which a connection may say nothing.
const LEAST_READ: u64 = 32 * 1024;
/// Pause after a connection could not be accepted, so that a lack of descriptors does not spin.
const PAUSE: Duration = Duration::from_millis(200);

/// How many connections there may be, and how long one may say nothing.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// How long the head of a request may take to come, from the end of the former.
    pub idle: Duration,
}

impl Limits {
    /// So many connections as asked for, where the machine allows for them.
    pub fn within_the_machine(connections: usize, idle: Duration) -> Self {
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = allowed.saturating_sub(RESERVE).max(allowed / 2);
        Self { connections: connections.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1), idle }
    }
}

/// One connection.
#[derive(Debug, Default)]
struct Connection {
    /// Requests that are not answered to the last byte.
    under_way: AtomicUsize,
    /// It is to make room for another.
    shed: CancellationToken,
}

/// The connections that there are, oldest first.
#[derive(Debug, Default)]
struct Connections(Mutex<BTreeMap<u64, Arc<Connection>>>);

impl Connections {
    fn map(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in. Where there are too many, the oldest one without a request makes room; `None`: all have one.
    fn enter(&self, number: u64, most: usize) -> Option<Arc<Connection>> {
        let mut map = self.map();
        if map.len() >= most {
            let idle = |(_, connection): &(&u64, &Arc<Connection>)| connection.under_way.load(Ordering::Acquire) == 0;
            let oldest = *map.iter().find(idle)?.0;
            map.remove(&oldest)?.shed.cancel();
        }
        let connection = Arc::new(Connection::default());
        map.insert(number, Arc::clone(&connection));
        Some(connection)
    }

    fn leave(&self, number: u64) {
        self.map().remove(&number);
    }
}

/// Serves until `stop`; requests under way are finished.
///
/// # Errors
/// None by itself: what cannot be accepted is tried again.
pub(super) async fn serve(
    router: Router,
    listener: TcpListener,
    limits: Limits,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let (connections, tasks) = (Arc::new(Connections::default()), TaskTracker::new());
    let mut number = 0_u64;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        number = number.wrapping_add(1);
        // All have a request under way: this one is closed unheard, and whoever it is asks again.
        let Some(connection) = connections.enter(number, limits.connections) else { continue };
        let (router, connections, stop) = (router.clone(), Arc::clone(&connections), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = talk(stream, peer, router, &connection, limits, stop) => {}
                () = connection.shed.cancelled() => {}
            }
            connections.leave(number);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(LAST_ANSWERS, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections were cut that took their answers too slowly");
    }
    Ok(())
}

/// One connection from its first request to its end.
async fn talk(
    mut stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    connection: &Arc<Connection>,
    limits: Limits,
    stop: CancellationToken,
) {
    let head = tokio::select! {
        head = tokio::time::timeout(limits.idle, first_head(&mut stream)) => match head {
            Ok(Ok(head)) => head,
            Ok(Err(_)) | Err(_) => return,
        },
        () = stop.cancelled() => return,
    };
    // Without it an answer may wait for the acknowledgement of the former one.
    let _ = stream.set_nodelay(true);
    // On the heap, for a connection that says nothing to take no room for it.
    Box::pin(converse((head, stream), peer, router, connection, limits, stop)).await;
}

/// What a connection says until the head of its first request is whole, or is too long to be waited for. The server's buffers
/// are 16 KB a connection from the first byte on: whoever says nothing, or half of a head, gets none.
async fn first_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        stream.readable().await?;
        let mut some = [0; AT_ONCE];
        let read = match stream.try_read(&mut some) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => some.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        // The end may have begun with what came before.
        let from = head.len().saturating_sub(END.len());
        head.extend_from_slice(read);
        if head.len() >= WAITED_FOR || has_end(head.get(from..).unwrap_or_default()) {
            return Ok(head);
        }
    }
}

/// Whether the line that ends a head is among these bytes: an empty one. Lines may end without a carriage return.
fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Requests and answers, from what was read of the first head on.
async fn converse(
    (head, stream): (Vec<u8>, TcpStream),
    peer: SocketAddr,
    router: Router,
    connection: &Arc<Connection>,
    limits: Limits,
    stop: CancellationToken,
) {
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        answer(router.clone(), UnderWay::new(connection), request.map(Body::new))
    });
    let (reader, writer) = stream.into_split();
    let stream = tokio::io::join(Cursor::new(head).chain(reader), Impatient::new(writer, limits.idle));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(BUFFER);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is nobody's affair: who wants an answer asks again.
    tokio::select! {
        _ = served.as_mut() => return,
        () = stop.cancelled() => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

async fn answer(router: Router, under_way: UnderWay, request: Request) -> Result<hyper::Response<Answer>, Infallible> {
    let Ok(response) = router.oneshot(request).await;
    Ok(response.map(|body| Answer { body, _under_way: under_way }))
}

/// Writes answers to who takes them: an answer is in memory until it is written, and whoever reads it byte by byte is cut off.
struct Impatient<W> {
    to: W,
    /// How long nothing need be taken.
    idle: Duration,
    /// Since when what is to be written waits for the reader, and how much of it was taken since.
    slow: Option<(Instant, u64)>,
    alarm: Pin<Box<Sleep>>,
}

impl<W: AsyncWrite + Unpin> Impatient<W> {
    fn new(to: W, idle: Duration) -> Self {
        Self { to, idle, slow: None, alarm: Box::pin(tokio::time::sleep(idle)) }
    }

    /// Nothing more can be written now: an error, where the reader has had the time that it may have.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let (since, taken) = *self.slow.get_or_insert_with(|| (Instant::now(), 0));
        let until =
            self.idle.checked_add(Duration::from_secs(taken / LEAST_READ)).and_then(|may| since.checked_add(may));
        let Some(until) = until else { return Poll::Pending };
        self.alarm.as_mut().reset(until);
        self.alarm.as_mut().poll(context).map(|()| Err(std::io::ErrorKind::TimedOut.into()))
    }

    fn wrote(
        &mut self,
        written: Poll<std::io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        if let (Poll::Ready(Ok(count)), Some((_, taken))) = (&written, self.slow.as_mut()) {
            *taken = taken.saturating_add(u64::try_from(*count).unwrap_or(u64::MAX));
        }
        if written.is_pending() { self.wait(context) } else { written }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Impatient<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.to).poll_write(context, bytes);
        self.wrote(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.to).poll_write_vectored(context, parts);
        self.wrote(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.to.is_write_vectored()
    }

    /// Everything there was to write is taken.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.slow = None;
        Pin::new(&mut self.to).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.to).poll_shutdown(context)
    }
}

/// A request that is not answered to the last byte.
struct UnderWay(Arc<Connection>);

impl UnderWay {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.under_way.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(connection))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of an answer: its connection is busy until it is written.
struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
