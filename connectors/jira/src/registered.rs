//! Webhooks of an OAuth app: they lapse after thirty days unless somebody prolongs them.

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::Fault;
use milestoned_connector_kit::read;
use milestoned_mapping::problem::Problem;
use reqwest::Method;
use serde_json::json;

use super::{Jira, wire};

/// They are prolonged when so much is left.
const LEFT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often they are looked at.
const LOOKED_AT: SignedDuration = SignedDuration::from_hours(24);

impl Jira {
    /// Prolongs, once a day, the webhooks that lapse within a week. Polling sees every change without them: a failure is
    /// noted and stops nothing.
    pub(crate) async fn prolong_webhooks(&self) {
        let now = self.client.now();
        let due = self
            .webhooks_seen
            .lock()
            .is_ok_and(|seen| seen.is_none_or(|seen: Timestamp| seen.duration_until(now) >= LOOKED_AT));
        if !self.settings.dynamic_webhooks || !due {
            return;
        }
        if let Ok(mut seen) = self.webhooks_seen.lock() {
            *seen = Some(now);
        }
        if let Err(fault) = self.prolong(now).await {
            tracing::warn!(system = self.client.system(), %fault, "webhooks could not be prolonged");
        }
    }

    async fn prolong(&self, now: Timestamp) -> Result<(), Fault> {
        let lapsing: Vec<i64> =
            self.registered().await?.iter().filter(|hook| lapses(hook, now)).map(|hook| hook.id).collect();
        if lapsing.is_empty() {
            return Ok(());
        }
        let answer = self.tell(Method::PUT, "webhook/refresh", &json!({ "webhookIds": lapsing })).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&answer)) }
    }

    async fn registered(&self) -> Result<Vec<wire::RegisteredHook>, Fault> {
        let answer = self.ask(Method::GET, "webhook", None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let hooks: wire::Registered = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        Ok(hooks.values)
    }

    /// What is wrong with the registered webhooks.
    pub(crate) async fn webhook_problem(&self) -> Option<Problem> {
        let remedy = "register one webhook for {public_url}/hooks/{connection} with the app; it is prolonged by itself";
        let now = self.client.now();
        let reason = match self.registered().await {
            Err(fault) => fault.to_string(),
            Ok(hooks) if hooks.is_empty() => "no webhook of the app is registered".into(),
            Ok(hooks) if hooks.iter().all(|hook| hook.expires.is_some_and(|at| at.0 <= now)) => {
                "every webhook of the app has lapsed".into()
            }
            Ok(_) => return None,
        };
        Some(Problem::new("dynamic_webhooks", reason, remedy))
    }
}

fn lapses(hook: &wire::RegisteredHook, now: Timestamp) -> bool {
    hook.expires.is_some_and(|at| now.duration_until(at.0) <= LEFT)
}
