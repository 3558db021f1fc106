//! The HTTP skin that all simulators share: one function from request to answer, with faults around it, on a connection
//! that can be cut without an answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::call::{Call, Reply};
use crate::clock::{SimClock, http_date};
use crate::faults::{Fault, Faults};

/// Troubles that every vendor words in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Unavailable,
    TooMany,
    Broken,
}

/// A simulated system behind HTTP.
pub(crate) trait System: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    /// Answers a call; whatever it changed is kept before it returns.
    fn answer(&self, call: &Call) -> Reply;
    fn trouble(&self, trouble: Trouble) -> Reply;
    fn expire_tokens(&self);
    /// The vendor's error of this code; a number is a bare HTTP status.
    fn error(&self, code: &str, _call: &Call) -> Reply {
        code.parse().map_or_else(|_| self.trouble(Trouble::Broken), Reply::empty)
    }
    /// The vendor's answer where somebody else did what `call` asks a moment earlier, with the answer that he got.
    fn raced(&self, _call: &Call, _first: &Reply) -> Reply {
        self.trouble(Trouble::Broken)
    }
    /// Cursors over results die.
    fn expire_cursors(&self) {}
    /// Does the next thing in an odd way that only this system knows.
    fn quirk(&self, _name: &str) {}
    /// How many requests may be in flight at once.
    fn concurrency(&self) -> usize {
        usize::MAX
    }
    /// The answer to one request too many at once.
    fn overloaded(&self, _call: &Call) -> Reply {
        self.trouble(Trouble::TooMany)
    }
    /// How long a request stays in flight.
    fn service_time(&self) -> Duration {
        Duration::ZERO
    }
}

/// A connection that can be cut: nothing more is read or written.
pub(crate) struct Line {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Line {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed) || self.closed.load(Ordering::Relaxed)
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Door {
    listener: TcpListener,
    closed: Arc<AtomicBool>,
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // answers are small and clients wait for them
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "nodelay");
                    }
                    let line = Line { stream, cut: Arc::new(AtomicBool::new(false)), closed: Arc::clone(&self.closed) };
                    return (line, address);
                }
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[derive(Clone)]
struct Cut(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Cut {
        Cut(Arc::clone(&stream.io().cut))
    }
}

/// A running server.
pub(crate) struct Server {
    task: JoinHandle<()>,
    closed: Arc<AtomicBool>,
}

impl Server {
    /// Frees the port and lets open connections end at their next byte.
    pub(crate) async fn stop(self) {
        self.closed.store(true, Ordering::Relaxed);
        self.task.abort();
        drop(self.task.await);
    }
}

/// Lands the late writes of a system that are due.
pub(crate) fn settle(system: &dyn System, faults: &Faults, clock: &SimClock) {
    for call in faults.due(system.name(), clock.millis()) {
        let reply = system.answer(&call);
        tracing::debug!(system = system.name(), status = reply.status, path = call.path, "a late write landed");
    }
}

/// A system, and what happens to calls on their way to it.
pub(crate) struct Desk {
    system: Arc<dyn System>,
    faults: Faults,
    clock: SimClock,
    in_flight: AtomicUsize,
    /// Without sockets nothing waits: no time passes but by the clock.
    plugged: bool,
}

impl Desk {
    pub(crate) fn new(system: Arc<dyn System>, faults: Faults, clock: SimClock, plugged: bool) -> Arc<Desk> {
        Arc::new(Desk { system, faults, clock, in_flight: AtomicUsize::new(0), plugged })
    }

    /// The answer to a call, or none where the line is cut. Never waits without sockets.
    pub(crate) fn answer_at_once(&self, call: Call) -> Option<Reply> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(exchange(self, call)).poll(&mut context) {
            Poll::Ready((_, Some(Fault::Truncate | Fault::Hold(_)))) | Poll::Pending => None,
            Poll::Ready((reply, _)) => reply.map(|reply| reply.header("date", http_date(self.clock.now()))),
        }
    }
}

/// Serves a desk on `listener` until it is stopped.
pub(crate) fn serve(listener: TcpListener, desk: Arc<Desk>) -> Server {
    let closed = Arc::new(AtomicBool::new(false));
    let app = Router::new().fallback(move |ConnectInfo(cut): ConnectInfo<Cut>, request: Request| {
        let desk = Arc::clone(&desk);
        async move { handle(&desk, &cut, request).await }
    });
    let door = Door { listener, closed: Arc::clone(&closed) };
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(door, app.into_make_service_with_connect_info::<Cut>()).await {
            tracing::error!(%error, "a simulator stopped serving");
        }
    });
    Server { task, closed }
}

pub(crate) async fn read(request: Request) -> Call {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_string(), ToString::to_string);
    let headers = parts.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.as_str().to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let body = axum::body::to_bytes(body, 128 << 20).await.map(|bytes| bytes.to_vec()).unwrap_or_default();
    // the server leaves the body out by itself
    let method = if parts.method == "HEAD" { "GET" } else { parts.method.as_str() };
    Call::new(method, &target, headers, body)
}

pub(crate) fn respond(reply: Reply) -> Response {
    respond_with(reply.status, &reply.headers, Body::from(reply.body))
}

fn respond_with(status: u16, headers: &[(String, String)], body: Body) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap_or_default()
}

/// Half of a body that was announced whole; then the connection breaks.
fn half(mut bytes: Vec<u8>) -> Body {
    bytes.truncate(bytes.len() / 2);
    let broken = async {
        // the first half has to be on its way
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    };
    Body::from_stream(stream::once(async { Ok(bytes) }).chain(stream::once(broken)))
}

async fn handle(desk: &Desk, cut: &Cut, request: Request) -> Response {
    match exchange(desk, read(request).await).await {
        (Some(mut reply), Some(Fault::Truncate)) => {
            let whole = reply.body.len().to_string();
            reply = reply.header("content-length", whole);
            respond_with(reply.status, &reply.headers, half(reply.body))
        }
        (Some(reply), _) => respond(reply.header("date", http_date(desk.clock.now()))),
        (None, _) => {
            cut.0.store(true, Ordering::Relaxed);
            Response::default()
        }
    }
}

/// What becomes of a call: its answer, or none where the connection is to be cut, and the trouble that struck it.
async fn exchange(desk: &Desk, call: Call) -> (Option<Reply>, Option<Fault>) {
    let system = desk.system.as_ref();
    settle(system, &desk.faults, &desk.clock);
    let fault = desk.faults.take(system.name(), &call.method, &call.path);
    let flying = desk.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    let reply = if flying > system.concurrency() {
        Some(system.overloaded(&call))
    } else {
        let time = system.service_time();
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        attempt(desk, call.clone(), fault.as_ref()).await
    };
    desk.in_flight.fetch_sub(1, Ordering::SeqCst);
    let status = reply.as_ref().map_or(0, |reply| reply.status);
    tracing::debug!(system = system.name(), method = call.method, path = call.path, status, ?fault, "request");
    // one vendor says "too many" with a 403
    let throttled = reply.as_ref().is_some_and(|reply| {
        reply.status == 429 || (reply.status == 403 && reply.text().contains("REQUEST_LIMIT_EXCEEDED"))
    });
    desk.faults.count(system.name(), call.endpoint(), throttled);
    (reply, fault)
}

/// The answer, or none where the connection is to be cut.
async fn attempt(desk: &Desk, mut call: Call, fault: Option<&Fault>) -> Option<Reply> {
    let system = desk.system.as_ref();
    match fault {
        Some(Fault::Refuse) => return Some(system.trouble(Trouble::Unavailable)),
        Some(Fault::Throttle) => return Some(system.trouble(Trouble::TooMany)),
        Some(Fault::NoRetryAfter) => {
            let mut reply = system.trouble(Trouble::TooMany);
            reply.headers.retain(|(name, _)| name != "retry-after");
            return Some(reply);
        }
        Some(Fault::Error(code)) => return Some(system.error(code, &call)),
        Some(Fault::DropBeforeWrite) => return None,
        Some(Fault::WriteLater(ms) | Fault::ErrorThenWrite(ms)) => {
            desk.faults.postpone(system.name(), &call, desk.clock.millis() + ms);
            return matches!(fault, Some(Fault::ErrorThenWrite(_))).then(|| system.trouble(Trouble::Unavailable));
        }
        Some(Fault::Slow(ms)) if desk.plugged => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(Fault::ExpireToken) => system.expire_tokens(),
        Some(Fault::ExpireCursors) => system.expire_cursors(),
        Some(Fault::Anonymous) => call.headers.retain(|(name, _)| name != "authorization"),
        Some(Fault::Quirk(name)) => system.quirk(name),
        _ => {}
    }
    let reply = match fault {
        Some(Fault::ClockSkew(ms)) => {
            let before = desk.clock.skew(*ms);
            let reply = system.answer(&call);
            desk.clock.skew(before);
            reply
        }
        _ => system.answer(&call),
    };
    afterwards(desk, &call, fault, reply).await
}

/// What becomes of an answer whose write is done.
async fn afterwards(desk: &Desk, call: &Call, fault: Option<&Fault>, mut reply: Reply) -> Option<Reply> {
    let system = desk.system.as_ref();
    match fault {
        Some(Fault::DropAfterWrite) => return None,
        Some(Fault::Hold(ms)) if desk.plugged => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(Fault::ErrorAfterWrite) => return Some(system.trouble(Trouble::Broken)),
        Some(Fault::ThrottleAfterWrite) => return Some(system.trouble(Trouble::TooMany)),
        Some(Fault::Race) if reply.status < 300 => return Some(system.raced(call, &reply)),
        Some(Fault::Html) => {
            let page = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Be right back.</body></html>";
            return Some(Reply::empty(200).header("content-type", "text/html;charset=UTF-8").body(page));
        }
        Some(Fault::Garbage) => {
            let half = reply.body.len() / 2;
            reply.body.truncate(half);
            if reply.body.is_empty() {
                reply = reply.body("{\"");
                reply.status = if reply.status == 204 { 200 } else { reply.status };
            }
        }
        _ => {}
    }
    Some(reply)
}
