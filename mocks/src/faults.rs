//! Troubles by name and schedule, and the counters of what was asked.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::call::Call;
use crate::clock::held;
use crate::json::{Json, obj};
use crate::store::Store;

/// A trouble to come: which one, at which requests, how often, and after how many that pass.
#[derive(Clone, Debug, Default)]
pub struct FaultSpec {
    /// `refuse`, `throttle`, `throttle_after_write`, `slow(ms)`, `drop_before_write`, `drop_after_write`, `write_later(ms)`,
    /// `error_after_write`, `garbage`, `expire_token`; of webhooks `duplicate`, `delay(ms)`, `reorder`; of mail
    /// `drop_after_data`.
    pub name: String,
    /// Only requests of this method.
    pub method: Option<String>,
    /// Only requests whose path contains this text.
    pub path: Option<String>,
    /// How often it strikes; zero counts as once.
    pub times: u32,
    /// How many matching requests pass before it strikes.
    pub after: u32,
}

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
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refuse,
    Throttle,
    ThrottleAfterWrite,
    Slow(u64),
    DropBeforeWrite,
    DropAfterWrite,
    WriteLater(i64),
    ErrorAfterWrite,
    Garbage,
    ExpireToken,
    Duplicate,
    Delay(i64),
    Reorder,
    DropAfterData,
}

impl Fault {
    fn parse(text: &str) -> Option<Fault> {
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.trim_end_matches(')').trim_end_matches("ms").trim().parse::<u32>().ok()?),
            None => (text, 0),
        };
        Some(match name.trim() {
            "refuse" => Fault::Refuse,
            "throttle" => Fault::Throttle,
            "throttle_after_write" => Fault::ThrottleAfterWrite,
            "slow" => Fault::Slow(u64::from(argument)),
            "drop_before_write" => Fault::DropBeforeWrite,
            "drop_after_write" => Fault::DropAfterWrite,
            "write_later" => Fault::WriteLater(i64::from(argument)),
            "error_after_write" => Fault::ErrorAfterWrite,
            "garbage" => Fault::Garbage,
            "expire_token" => Fault::ExpireToken,
            "duplicate" => Fault::Duplicate,
            "delay" => Fault::Delay(i64::from(argument)),
            "reorder" => Fault::Reorder,
            "drop_after_data" => Fault::DropAfterData,
            _ => return None,
        })
    }

    /// The moment at which it strikes: a request, a webhook delivery, a mail.
    fn moment(self) -> &'static str {
        match self {
            Fault::Duplicate | Fault::Delay(_) | Fault::Reorder => "hook",
            Fault::DropAfterData => "mail",
            _ => "request",
        }
    }
}

struct Inner {
    store: Store,
    requests: BTreeMap<String, BTreeMap<String, u64>>,
    throttled: BTreeMap<String, u64>,
}

/// The schedule of troubles of all simulators, and what they were asked.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Inner>>);

impl Faults {
    pub(crate) fn open(dir: Option<&Path>) -> io::Result<Faults> {
        let store = Store::open(dir, "faults")?;
        Ok(Faults(Arc::new(Mutex::new(Inner { store, requests: BTreeMap::new(), throttled: BTreeMap::new() }))))
    }

    /// Schedules a trouble for `salesforce`, `jira`, `netsuite`, `quickbooks` or `mail`.
    pub fn inject(&self, system: &str, spec: FaultSpec) -> io::Result<()> {
        let Some(fault) = Fault::parse(&spec.name) else {
            return Err(io::Error::other(format!("no fault is called `{}`", spec.name)));
        };
        let mut inner = held(&self.0);
        let id = inner.store.next("spec", 1).to_string();
        let kept = obj! {
            "system" => system, "name" => spec.name, "method" => spec.method, "path" => spec.path,
            "times" => spec.times.max(1), "after" => spec.after, "moment" => fault.moment(),
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

    pub(crate) fn take_hook(&self, system: &str) -> Option<Fault> {
        self.strike(system, "hook", "", "")
    }

    pub(crate) fn take_mail(&self) -> Option<Fault> {
        self.strike("mail", "mail", "", "")
    }

    fn strike(&self, system: &str, moment: &str, method: &str, path: &str) -> Option<Fault> {
        let mut inner = held(&self.0);
        if inner.store.count("spec") == 0 {
            return None;
        }
        let meant = |spec: &Json| {
            let fits = |field: &str, fit: &dyn Fn(&str) -> bool| spec.text(field).is_empty() || fit(&spec.text(field));
            spec.text("system") == system
                && spec.text("moment") == moment
                && fits("method", &|wanted| wanted.eq_ignore_ascii_case(method))
                && fits("path", &|wanted| path.contains(wanted))
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
                    inner.store.put("spec", &id, spec.with("times", left));
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
