//! The day's calls: every answer tells how many are used, and polls leave some to writes.

use std::sync::Mutex;

use jiff::Timestamp;
use milestoned_connector_kit::http::{Answer, Kind};
use milestoned_connector_kit::{Class, Fault};
use reqwest::Method;

use super::Salesforce;
use super::refusal::LONG;

/// What the org last told.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// Percent of the day's calls that are used, of the org or of this app, whichever is more.
    percent: u64,
    /// When.
    at: Timestamp,
    /// When a poll last began while calls were scarce.
    polled: Option<Timestamp>,
}

/// How much of the day's calls is used.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<Option<Told>>);

impl Usage {
    /// Notes what an answer tells. The number is not monotonic: the newest counts.
    pub(crate) fn told(&self, answer: &Answer, now: Timestamp) {
        let Some(percent) = answer.header("sforce-limit-info").and_then(|text| percent(&text)) else { return };
        if let Ok(mut told) = self.0.lock() {
            let polled = told.and_then(|told| told.polled);
            *told = Some(Told { percent, at: now, polled });
        }
    }

    fn known(&self) -> Option<Told> {
        self.0.lock().ok().and_then(|told| *told)
    }

    fn polled(&self, now: Timestamp) {
        if let Ok(mut told) = self.0.lock()
            && let Some(told) = told.as_mut()
        {
            told.polled = Some(now);
        }
    }
}

/// `api-usage=25/5000; per-app-api-usage=17/250(appName=sample)`: the larger share, in percent.
fn percent(text: &str) -> Option<u64> {
    text.split([';', ','])
        .filter_map(|part| {
            let (used, most) = part.split_once('=')?.1.split_once('/')?;
            let most: String = most.chars().take_while(char::is_ascii_digit).collect();
            let (used, most): (u64, u64) = (used.trim().parse().ok()?, most.parse().ok()?);
            used.checked_mul(100)?.checked_div(most)
        })
        .max()
}

impl Salesforce {
    /// Refuses a poll that would eat into the calls that are left for writes; when they get scarce, polls are spread.
    /// `begins`: the poll begins a new pass.
    pub(crate) async fn spare(&self, begins: bool) -> Result<(), Fault> {
        let now = self.client.now();
        let reserve = u64::from(self.settings.reserve.min(100));
        let (stop, slow) = (100_u64.saturating_sub(reserve), 100_u64.saturating_sub(reserve.saturating_mul(2)));
        let wait = |since: Timestamp| since.checked_add(LONG).ok().filter(|until| *until > now);
        let scarce = |percent: u64, until: Option<Timestamp>| {
            let detail = format!("{percent} % of the day's calls are used: the rest is left to writes");
            self.client.fault(Class::Throttled { until }, detail, None)
        };
        let Some(told) = self.usage.known() else { return Ok(()) };
        if told.percent >= stop {
            if let Some(until) = wait(told.at) {
                return Err(scarce(told.percent, Some(until)));
            }
            // The cheapest call tells whether the window, which slides, has freed some.
            let path = self.data("limits/recordCount?sObjects=Organization");
            self.send(Kind::Read, || self.client.request(Method::GET, &path)).await?;
            let percent = self.usage.known().map_or(0, |told| told.percent);
            if percent >= stop {
                return Err(scarce(percent, now.checked_add(LONG).ok()));
            }
        } else if begins && told.percent >= slow {
            if let Some(until) = told.polled.and_then(wait) {
                return Err(scarce(told.percent, Some(until)));
            }
            self.usage.polled(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_header_are_read() {
        assert_eq!(percent("api-usage=18/5000"), Some(0));
        assert_eq!(percent("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)"), Some(6));
        assert_eq!(percent("api-usage=4999/5000"), Some(99));
        assert_eq!(percent("api-usage=1/0"), None);
        assert_eq!(percent("nonsense"), None);
    }
}
