//! Troubles by name and schedule, and the counters of what was asked.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::call::Call;
use crate::clock::{SimClock, held};
use crate::json::{Json, obj};
use crate::store::Store;

/// A trouble to come: which one, at which requests, how often, when.
#[derive(Clone, Debug, Default)]
pub struct FaultSpec {
    /// One of [`FAULTS`], those with `(ms)` or `(CODE)` with that in parentheses.
    pub name: String,
    /// Only requests of this method.
    pub method: Option<String>,
    /// Only requests whose path contains this text; of webhooks, whose URL does.
    pub path: Option<String>,
    /// How often it strikes; zero counts as once.
    pub times: u32,
    /// How many matching requests pass before it strikes.
    pub after: u32,
    /// It strikes at every so-manieth of the matching requests; zero counts as each.
    pub every: u32,
    /// Not before this time of the simulated clock.
    pub from: Option<Timestamp>,
    /// Not from this time of the simulated clock on.
    pub until: Option<Timestamp>,
}

/// Every fault by name, with its moment and what it does.
pub const FAULTS: &[(&str, &str, &str)] = &[
    ("refuse", "request", "503, nothing is written"),
    ("throttle", "request", "the vendor's answer for too many requests, nothing is written"),
    ("throttle_after_write", "request", "the same answer, but the write was done"),
    ("slow(ms)", "request", "waits, then does what is asked"),
    ("hold(ms)", "request", "does what is asked at once, and waits before it answers"),
    ("drop_before_write", "request", "the connection is cut, nothing is written"),
    ("drop_after_write", "request", "the connection is cut after the write"),
    ("write_later(ms)", "request", "the connection is cut, the write lands so much later by the clock"),
    ("error_then_write(ms)", "request", "503 now, the write lands so much later by the clock"),
    ("error_after_write", "request", "500 although the write was done"),
    ("error(CODE)", "request", "the vendor's own error of this code or HTTP status, nothing is written"),
    ("race", "request", "somebody else did the same a moment earlier: the vendor's answer to that"),
    ("garbage", "request", "half of the answer, as if it were whole"),
    ("truncate", "request", "half of the answer, then the connection is cut"),
    ("html", "request", "a page of HTML with status 200"),
    ("expire_token", "request", "access tokens die before the request is looked at"),
    ("expire_cursors", "request", "query locators and page tokens die before the request is looked at"),
    ("anonymous", "request", "the credentials of the request are ignored"),
    ("clock_skew(ms)", "request", "the system's own clock is wrong by so much during the request"),
    ("empty_page", "request", "of Jira searches: a page without rows that is not the last"),
    ("repeat_token", "request", "of Jira searches: the page token that was sent comes back"),
    ("empty_changelog", "request", "of Jira changelogs: no history, as if nothing had happened"),
    ("no_retry_after", "request", "429 without a Retry-After header"),
    ("duplicate", "webhook", "every delivery of the round is made twice"),
    ("delay(ms)", "webhook", "the round's deliveries wait so much longer by the clock"),
    ("reorder", "webhook", "the round's deliveries are made in reverse order"),
    ("lose", "webhook", "the round's deliveries are lost"),
    ("drop_after_data", "mail", "the connection is cut after the message was taken"),
];

impl FaultSpec {
    /// The trouble `name`, once, at the next request.
    pub fn new(name: &str) -> FaultSpec {
        FaultSpec { name: name.to_string(), times: 1, ..FaultSpec::default() }
    }

    /// Only at requests of this method whose path contains `path`.
    pub fn on(mut self, method: &str, path: &str) -> FaultSpec {
        self.method = Some(method.to_string());
        self.path = Some(path.to_string());
        self
    }

    /// Strikes `times` times.
    pub fn times(mut self, times: u32) -> FaultSpec {
        self.times = times;
        self
    }

    /// Lets `after` matching requests pass first.
    pub fn after(mut self, after: u32) -> FaultSpec {
        self.after = after;
        self
    }

    /// Strikes at every `every`th matching request only.
    pub fn every(mut self, every: u32) -> FaultSpec {
        self.every = every;
        self
    }

    /// Strikes only from one time of the simulated clock to before another.
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> FaultSpec {
        self.from = Some(from);
        self.until = Some(until);
        self
    }
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refuse,
    Throttle,
    ThrottleAfterWrite,
    Slow(u64),
    Hold(u64),
    DropBeforeWrite,
    DropAfterWrite,
    WriteLater(i64),
    ErrorThenWrite(i64),
    ErrorAfterWrite,
    Error(String),
    Race,
    Garbage,
    Truncate,
    Html,
    ExpireToken,
    ExpireCursors,
    Anonymous,
    ClockSkew(i64),
    NoRetryAfter,
    /// Something that only the system itself can do.
    Quirk(String),
    Duplicate,
    Delay(i64),
    Reorder,
    Lose,
    DropAfterData,
}

impl Fault {
    fn parse(text: &str) -> Option<Fault> {
        let (name, argument) = match text.trim().split_once('(') {
            Some((name, rest)) => (name.trim(), rest.trim().strip_suffix(')')?.trim()),
            None => (text.trim(), ""),
        };
        let number = || argument.trim_end_matches("ms").trim().parse::<i32>().ok().map(i64::from);
        let ms = || number().filter(|ms| *ms >= 0);
        let wait = || ms().map(i64::unsigned_abs);
        Some(match (name, argument) {
            ("slow", _) => Fault::Slow(wait()?),
            ("hold", _) => Fault::Hold(wait()?),
            ("write_later", _) => Fault::WriteLater(ms()?),
            ("error_then_write", _) => Fault::ErrorThenWrite(ms()?),
            ("clock_skew", _) => Fault::ClockSkew(number()?),
            ("delay", _) => Fault::Delay(ms()?),
            ("error", code) if !code.is_empty() => Fault::Error(code.to_string()),
            (_, argument) if !argument.is_empty() => return None,
            ("refuse", _) => Fault::Refuse,
            ("throttle", _) => Fault::Throttle,
            ("throttle_after_write", _) => Fault::ThrottleAfterWrite,
            ("drop_before_write", _) => Fault::DropBeforeWrite,
            ("drop_after_write", _) => Fault::DropAfterWrite,
            ("error_after_write", _) => Fault::ErrorAfterWrite,
            ("race", _) => Fault::Race,
            ("garbage", _) => Fault::Garbage,
            ("truncate", _) => Fault::Truncate,
            ("html", _) => Fault::Html,
            ("expire_token", _) => Fault::ExpireToken,
            ("expire_cursors", _) => Fault::ExpireCursors,
            ("anonymous", _) => Fault::Anonymous,
            ("no_retry_after", _) => Fault::NoRetryAfter,
            ("empty_page" | "repeat_token" | "empty_changelog", _) => Fault::Quirk(name.to_string()),
            ("duplicate", _) => Fault::Duplicate,
            ("reorder", _) => Fault::Reorder,
            ("lose", _) => Fault::Lose,
            ("drop_after_data", _) => Fault::DropAfterData,
            _ => return None,
        })
    }

    /// The moment at which it strikes: a request, a webhook delivery, a mail.
    fn moment(&self) -> &'static str {
        match self {
            Fault::Duplicate | Fault::Delay(_) | Fault::Reorder | Fault::Lose => "hook",
            Fault::DropAfterData => "mail",
            _ => "request",
        }
    }
}

struct Inner {
    store: Store,
    clock: SimClock,
    requests: BTreeMap<String, BTreeMap<String, u64>>,
    throttled: BTreeMap<String, u64>,
}

/// The schedule of troubles of all simulators, and what they were asked.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Inner>>);

impl Faults {
    pub(crate) fn open(dir: Option<&Path>, clock: SimClock) -> io::Result<Faults> {
        let store = Store::open(dir, "faults")?;
        Ok(Faults(Arc::new(Mutex::new(Inner { store, clock, requests: BTreeMap::new(), throttled: BTreeMap::new() }))))
    }

    /// Schedules a trouble for `salesforce`, `jira`, `netsuite`, `quickbooks` or `mail`.
    pub fn inject(&self, system: &str, spec: FaultSpec) -> io::Result<()> {
        let Some(fault) = Fault::parse(&spec.name) else {
            let known: Vec<&str> = FAULTS.iter().map(|(name, ..)| *name).collect();
            return Err(io::Error::other(format!("no fault is called `{}`; use {}", spec.name, known.join(", "))));
        };
        // at the relay everything strikes when a message was sent
        let moment = if system == "mail" { "mail" } else { fault.moment() };
        let mut inner = held(&self.0);
        let id = inner.store.next("spec", 1).to_string();
        let kept = obj! {
            "system" => system, "name" => spec.name, "method" => spec.method, "path" => spec.path,
            "times" => spec.times.max(1), "after" => spec.after, "moment" => moment, "every" => spec.every.max(1),
            "from" => spec.from.map(Timestamp::as_millisecond), "until" => spec.until.map(Timestamp::as_millisecond),
        };
        inner.store.put("spec", &id, kept);
        inner.store.commit()
    }

    /// Takes all scheduled troubles away; promised late writes still land.
    pub fn clear(&self) -> io::Result<()> {
        let mut inner = held(&self.0);
        let ids: Vec<String> = inner.store.all("spec").map(|(id, _)| id.to_string()).collect();
        for id in ids {
            inner.store.remove("spec", &id);
        }
        inner.store.commit()
    }

    /// Troubles still scheduled for a system.
    pub fn pending(&self, system: &str) -> usize {
        held(&self.0).store.all("spec").filter(|(_, spec)| spec.text("system") == system).count()
    }

    /// What is still scheduled, as it was injected: `system`, `name`, `method`, `path`, `times` and `after` that are left.
    pub fn scheduled(&self) -> Vec<Json> {
        held(&self.0).store.all("spec").map(|(_, spec)| spec.clone()).collect()
    }

    /// Sets the counters of requests and of throttled answers to zero.
    pub fn reset_counters(&self) {
        let mut inner = held(&self.0);
        inner.requests.clear();
        inner.throttled.clear();
    }

    /// Requests by endpoint that a system has answered since it started.
    pub fn requests(&self, system: &str) -> BTreeMap<String, u64> {
        held(&self.0).requests.get(system).cloned().unwrap_or_default()
    }

    /// How many requests a system has refused as too many.
    pub fn throttled(&self, system: &str) -> u64 {
        held(&self.0).throttled.get(system).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self, system: &str, endpoint: String, throttled: bool) {
        let mut inner = held(&self.0);
        *inner.requests.entry(system.to_string()).or_default().entry(endpoint).or_default() += 1;
        if throttled {
            *inner.throttled.entry(system.to_string()).or_default() += 1;
        }
    }

    pub(crate) fn take(&self, system: &str, method: &str, path: &str) -> Option<Fault> {
        self.strike(system, "request", method, path)
    }

    pub(crate) fn take_hook(&self, system: &str, url: &str) -> Option<Fault> {
        self.strike(system, "hook", "POST", url)
    }

    pub(crate) fn take_mail(&self) -> Option<Fault> {
        self.strike("mail", "mail", "", "")
    }

    fn strike(&self, system: &str, moment: &str, method: &str, path: &str) -> Option<Fault> {
        let mut inner = held(&self.0);
        if inner.store.count("spec") == 0 {
            return None;
        }
        let now = inner.clock.millis();
        let meant = |spec: &Json| {
            let fits = |field: &str, fit: &dyn Fn(&str) -> bool| spec.text(field).is_empty() || fit(&spec.text(field));
            spec.text("system") == system
                && spec.text("moment") == moment
                && fits("method", &|wanted| wanted.eq_ignore_ascii_case(method))
                && fits("path", &|wanted| path.contains(wanted))
                && fits("from", &|_| spec.int("from") <= now)
                && fits("until", &|_| spec.int("until") > now)
        };
        let found: Vec<(String, Json)> = inner
            .store
            .all("spec")
            .filter(|(_, spec)| meant(spec))
            .map(|(id, spec)| (id.to_string(), spec.clone()))
            .collect();
        let mut struck = None;
        for (id, spec) in found {
            if spec.int("after") > 0 {
                let left = spec.int("after") - 1;
                inner.store.put("spec", &id, spec.with("after", left));
            } else if struck.is_none() {
                struck = Fault::parse(&spec.text("name"));
                let left = spec.int("times") - 1;
                if left > 0 {
                    let pass = spec.int("every") - 1;
                    inner.store.put("spec", &id, spec.with("times", left).with("after", pass));
                } else {
                    inner.store.remove("spec", &id);
                }
            }
        }
        if let Err(error) = inner.store.commit() {
            tracing::error!(%error, "the fault schedule could not be kept");
        }
        struck
    }

    /// Keeps a write whose answer was lost, to land at `due`.
    pub(crate) fn postpone(&self, system: &str, call: &Call, due: i64) {
        let mut inner = held(&self.0);
        let id = inner.store.next("later", 1).to_string();
        inner.store.put("later", &id, obj! {"system" => system, "due" => due, "call" => call.kept()});
        if let Err(error) = inner.store.commit() {
            tracing::error!(%error, "a late write could not be kept");
        }
    }

    /// Takes the late writes of `system` that are due.
    pub(crate) fn due(&self, system: &str, now: i64) -> Vec<Call> {
        let mut inner = held(&self.0);
        if inner.store.count("later") == 0 {
            return Vec::new();
        }
        let due = |kept: &Json| kept.text("system") == system && kept.int("due") <= now;
        let ids: Vec<String> =
            inner.store.all("later").filter(|(_, kept)| due(kept)).map(|(id, _)| id.to_string()).collect();
        let calls = ids.iter().filter_map(|id| inner.store.remove("later", id));
        let calls = calls.filter_map(|kept| kept.get("call").map(Call::restored)).collect();
        if let Err(error) = inner.store.commit() {
            tracing::error!(%error, "a late write could not be taken");
        }
        calls
    }
}
