//! The three rate limits: points an hour of an app, bursts by endpoint, writes to one issue.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::state::{State, problem};
use crate::call::{Call, Reply};

const HOUR: i64 = 60 * 60 * 1000;

/// What was used of the limits.
#[derive(Default)]
pub(crate) struct Used {
    /// Hour and points.
    points: (i64, u64),
    /// Thousandths of requests that are left, and when that was so.
    buckets: BTreeMap<String, (i64, i64)>,
    /// Times of writes by issue.
    writes: BTreeMap<String, Vec<i64>>,
}

/// Requests a second that an endpoint takes.
fn rate(call: &Call) -> i64 {
    let path = call.path.as_str();
    match call.method.as_str() {
        "GET" if path.contains("/attachment/content/") => 300,
        "GET" if path.contains("/changelog") => 200,
        "GET" if path.contains("/issue/") => 150,
        "POST" if path.contains("/approximate-count") => 150,
        _ if path.contains("/servicedeskapi/customer") => 5,
        "PUT" | "DELETE" => 50,
        _ => 100,
    }
}

impl State {
    /// What the limits say to a call before it is looked at.
    pub(crate) fn limited(&mut self, call: &Call) -> Result<(), Reply> {
        if !self.settings.rate_limits || call.trusted {
            return Ok(());
        }
        let now = self.clock.millis();
        if self.caller.app {
            let hour = now.div_euclid(HOUR);
            if self.used.points.0 != hour {
                self.used.points = (hour, 0);
            }
            if self.used.points.1 >= self.settings.points_per_hour {
                return Err(self.throttled("jira-quota-global-based", (hour + 1) * HOUR - now));
            }
        }
        let rate = rate(call);
        let (left, since) = self.used.buckets.get(&call.endpoint()).copied().unwrap_or((rate * 1000, now));
        let left = (left + (now - since).max(0) * rate).min(rate * 1000);
        if left < 1000 {
            return Err(self.throttled("jira-burst-based", 1000));
        }
        self.used.buckets.insert(call.endpoint(), (left - 1000, now));
        Ok(())
    }

    /// Twenty writes to one issue in two seconds and a hundred in thirty, where the limit holds.
    pub(crate) fn paced(&mut self, call: &Call, id: &str) -> Result<(), Reply> {
        let most = match (self.settings.issue_writes, self.settings.rate_limits) {
            (Some(most), _) => most,
            (None, true) => 20,
            (None, false) => return Ok(()),
        };
        if call.method == "GET" || call.trusted {
            return Ok(());
        }
        let now = self.clock.millis();
        let recent = self.used.writes.entry(id.to_string()).or_default();
        recent.retain(|at| *at > now - 30_000);
        let (short, long) = (recent.iter().filter(|at| **at > now - 2000).count(), recent.len());
        if short >= most || long >= most * 5 {
            let wait = if short >= most { 2000 } else { 30_000 };
            return Err(self.throttled("jira-per-issue-on-write", wait));
        }
        recent.push(now);
        Ok(())
    }

    pub(crate) fn throttled(&self, reason: &str, wait_ms: i64) -> Reply {
        let now = self.clock.now();
        let reply = throttled(now, reason, wait_ms);
        if self.settings.retry_after {
            return reply;
        }
        let mut reply = reply;
        reply.headers.retain(|(name, _)| name != "retry-after");
        reply
    }

    /// Books the points of an answer, and tells the app how it stands.
    pub(crate) fn booked(&mut self, call: &Call, reply: Reply) -> Reply {
        let cost = std::mem::take(&mut self.cost);
        if !self.settings.rate_limits || !self.caller.app {
            return reply;
        }
        // a read costs one and what it gives; a write one, whatever it gives
        let read =
            call.method == "GET" || ["/search", "/bulkfetch", "/jql/"].iter().any(|part| call.path.contains(part));
        self.used.points.1 += if read { 1 + cost } else { 1 };
        let (limit, used) = (self.settings.points_per_hour, self.used.points.1);
        let left = limit.saturating_sub(used);
        let reset = HOUR - self.clock.millis().rem_euclid(HOUR);
        reply
            .header("x-ratelimit-limit", limit.to_string())
            .header("x-ratelimit-remaining", left.to_string())
            .header("x-ratelimit-nearlimit", (left * 5 < limit).to_string())
            .header(
                "beta-ratelimit-policy",
                format!("\"global-app-quota\";q={limit};w=3600,\"jira-burst-based\";q={};w=1", rate(call)),
            )
            .header("beta-ratelimit", format!("\"global-app-quota\";r={left};t={}", reset / 1000))
    }
}

/// The vendor's answer for too many requests.
pub(crate) fn throttled(now: Timestamp, reason: &str, wait_ms: i64) -> Reply {
    let reset = now + jiff::SignedDuration::from_millis(wait_ms);
    problem(429, "Rate limit exceeded.")
        .header("retry-after", ((wait_ms + 999) / 1000).to_string())
        .header("ratelimit-reason", reason)
        .header("x-ratelimit-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .header("x-ratelimit-remaining", "0")
}
