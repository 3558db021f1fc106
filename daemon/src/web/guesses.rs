//! Guessed secrets: an address that shows wrong ones is heard less and less often, and so is who knows an account's password and
//! not its code, from wherever they come. What happens is logged, counted, and written into the audit trail.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use jiff::{SignedDuration, Timestamp};

/// Wrong tokens in a row that cost nothing: people mistype.
const FREE: u32 = 5;
/// Longest time for which an address is not heard.
const LONGEST: SignedDuration = SignedDuration::from_secs(60);
/// What an address did so long ago counts no more.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(15);
/// Those that are remembered at once.
const REMEMBERED: usize = 10_000;

/// Who has guessed, and until when each is not heard.
#[derive(Debug, Default)]
pub struct Guesses {
    known: Mutex<BTreeMap<Who, Guesser>>,
    wrong: AtomicU64,
    unheard: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Guesser {
    count: u32,
    last: Timestamp,
    until: Timestamp,
}

/// Whose wrong secrets count together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// An address.
    Address(IpAddr),
    /// Whoever knows the password of a person's account.
    Account(String),
}

impl From<IpAddr> for Who {
    fn from(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(out, "address {address}"),
            Self::Account(person) => write!(out, "account {person}"),
        }
    }
}

/// IPv6 networks are handed out by /64: their addresses count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

impl Guesses {
    /// Whether somebody is heard at an instant.
    pub fn is_heard(&self, who: impl Into<Who>, now: Timestamp) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&who.into()).copied();
        // A clock that was put back keeps nobody out for longer than the longest time.
        let heard = known.is_none_or(|known| known.until <= now || known.until.duration_since(now) > LONGEST);
        if !heard {
            self.unheard.fetch_add(1, Ordering::Relaxed);
        }
        heard
    }

    /// Somebody has shown a wrong secret. Gives for how long they are not heard now, where they were heard until now.
    pub fn wrong(&self, who: impl Into<Who>, now: Timestamp) -> Option<SignedDuration> {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        let who = who.into();
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(&who) {
            all.retain(|_, known| now.duration_since(known.last).abs() < FORGOTTEN);
            if all.len() >= REMEMBERED {
                all.pop_first();
            }
        }
        let known = all.entry(who).or_insert(Guesser { count: 0, last: now, until: now });
        if now.duration_since(known.last).abs() >= FORGOTTEN {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
        let over = known.count.checked_sub(FREE)?;
        let wait = SignedDuration::from_secs(1_i64.checked_shl(over.min(6)).unwrap_or(i64::MAX)).min(LONGEST);
        known.until = now.saturating_add(wait).unwrap_or(now);
        Some(wait)
    }

    /// Somebody has shown a good secret.
    pub fn right(&self, who: impl Into<Who>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&who.into());
    }

    /// Wrong tokens since the start, and requests that were not heard.
    pub fn counts(&self) -> (u64, u64) {
        (self.wrong.load(Ordering::Relaxed), self.unheard.load(Ordering::Relaxed))
    }
}

/// Where a request comes from. A proxy on this machine says so itself: the last address that it names is the one that it
/// saw. In simulations there is none.
pub fn address_of(parts: &Parts) -> IpAddr {
    let peer =
        parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.0.ip());
    let told = parts.headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = told.and_then(|told| told.rsplit(',').next()).and_then(|last| last.trim().parse().ok());
    last.filter(|_| peer.is_loopback()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_is_heard_less_and_less_and_others_as_before() {
        let (guesses, guesser, other) = (Guesses::default(), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let begin: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let after = |seconds| begin + SignedDuration::from_secs(seconds);
        let waits: Vec<_> = (0..12).map(|_| guesses.wrong(guesser, begin).map(|wait| wait.as_secs())).collect();
        let expected =
            [None, None, None, None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32), Some(60), Some(60)];
        assert_eq!(waits, expected);
        assert!(!guesses.is_heard(guesser, after(59)) && guesses.is_heard(guesser, after(60)));
        assert!(guesses.is_heard(other, begin));
        let host = |number: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number]);
        for number in 0..6 {
            guesses.wrong(host(number), begin);
        }
        assert!(!guesses.is_heard(host(99), begin), "a network of IPv6 counts as one address");
        assert!(guesses.wrong(guesser, after(16 * 60)).is_none(), "a quarter of an hour later it is forgotten");
        assert_eq!(guesses.counts(), (19, 2));
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed_about_the_address() {
        let parts = |peer: [u8; 4], told: &str| {
            let request = axum::http::Request::builder().header("x-forwarded-for", told);
            let request = request.extension(ConnectInfo(SocketAddr::from((peer, 1)))).body(()).unwrap();
            request.into_parts().0
        };
        assert_eq!(address_of(&parts([127, 0, 0, 1], "1.2.3.4, 10.0.0.9")), IpAddr::from([10, 0, 0, 9]));
        assert_eq!(address_of(&parts([10, 0, 0, 1], "1.2.3.4")), IpAddr::from([10, 0, 0, 1]));
    }
}
