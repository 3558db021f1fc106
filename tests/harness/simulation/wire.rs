//! The lines between daemon and simulated vendors, and the steps between which the daemon may die.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use milestoned_connector_kit::{Carried, Cut, Transport};
use milestoned_mocks::Unplugged;

use super::witness::{Sent, Told, Witness};

/// Most steps of one turn: a daemon that takes more does not come to rest.
pub(super) const RESTLESS: u64 = 60_000;

/// What all daemons and the simulators have between them.
pub(super) struct Lines {
    pub(super) simulators: Arc<Unplugged>,
    pub(super) requests: AtomicU64,
    pub(super) senders: AtomicU64,
    pub(super) witness: Mutex<Witness>,
}

/// Carries the requests of one daemon.
struct Line {
    lines: Arc<Lines>,
    sender: u64,
}

impl Lines {
    /// What the vendors have seen.
    pub(super) fn seen<T>(&self, look: impl FnOnce(&mut Witness) -> T) -> T {
        look(&mut self.witness.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The line of a daemon that starts, and as whom vendors see it.
    pub(super) fn line(self: &Arc<Self>) -> (Arc<dyn Transport>, u64) {
        let sender = self.senders.fetch_add(1, Ordering::Relaxed);
        (Arc::new(Line { lines: Arc::clone(self), sender }), sender)
    }
}

impl Transport for Line {
    fn carry(&self, request: http::Request<bytes::Bytes>) -> Carried<'_> {
        Box::pin(async move {
            let Self { lines, sender } = self;
            step().await;
            let number = lines.requests.fetch_add(1, Ordering::Relaxed);
            let (parts, body) = request.into_parts();
            let (url, text) = (parts.uri.to_string(), String::from_utf8_lossy(&body).into_owned());
            let (method, now) = (parts.method.as_str(), lines.simulators.clock.now());
            let sent = Sent { sender: *sender, method, url: &url, body: &text, number, now };
            lines.seen(|witness| witness.sent(&sent));
            let headers = parts.headers.iter();
            let headers = headers.map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let answer = lines.simulators.carry(&url, method, headers.collect(), body.to_vec()).ok_or(Cut::NoAnswer)?;
            // The remote has done it: the daemon may die before it hears of it.
            step().await;
            let waits = answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
            let told = match answer.status {
                ..400 => Told::Done,
                500.. if !waits => Told::Nothing,
                _ => Told::NotDone,
            };
            let says = String::from_utf8_lossy(&answer.body);
            lines.seen(|witness| witness.answered(&sent, told, &says));
            let mut response = http::Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(name, value);
            }
            response.body(answer.body.into()).map_err(|_| Cut::NoAnswer)
        })
    }

    fn wait(&self, _: std::time::Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(step())
    }
}

thread_local! {
    /// What the store does next, if it is that which comes after the step.
    static NEXT: Cell<&'static str> = const { Cell::new("") };
}

/// A place before a verb of the store.
pub(super) fn before(verb: &'static str) -> impl Future<Output = ()> + Send {
    let step = step();
    NEXT.set(verb);
    step
}

/// Whether the step that was just taken led to this verb of the store.
pub(super) fn is_next(verb: &str) -> bool {
    NEXT.get().split("::").any(|part| part == verb)
}

/// A place between two steps.
pub(super) fn step() -> impl Future<Output = ()> + Send {
    NEXT.set("");
    let mut passed = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// How a future ended.
pub(super) enum Driven<T> {
    /// It gave its value.
    Done(T),
    /// It was dropped where it stood, as by a crash.
    Dead,
    /// It takes too many steps.
    Restless,
}

/// Polls a future to its end, or drops it after `patience` steps. Counts steps.
pub(super) fn drive<T>(future: impl Future<Output = T>, patience: Option<u64>, steps: &mut u64) -> Driven<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for taken in 0..RESTLESS {
        if patience.is_some_and(|patience| taken >= patience) {
            return Driven::Dead;
        }
        *steps = steps.saturating_add(1);
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Driven::Done(value);
        }
    }
    Driven::Restless
}
