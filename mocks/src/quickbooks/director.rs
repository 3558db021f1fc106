//! The director's verbs that only this company has, for the admin API.

use super::QuickBooks;
use crate::clock::held;
use crate::hooks;
use crate::json::{Json, obj};
use crate::lot::LotSpec;
use crate::{Fields, Refused};

impl QuickBooks {
    /// Does a verb of the admin API; nothing for one that is not known.
    pub(crate) fn direct(&self, verb: &str, act: &str, body: &Fields) -> Option<Result<Json, Refused>> {
        let json = Json::from(body.clone());
        Some(match verb {
            "generate" => LotSpec::read(body, self.clock.now())
                .and_then(|lot| self.generate(act, &json.text("type"), &lot))
                .map(|id| obj! {"id" => id}),
            "usage" => {
                let all = self.usage().into_iter().map(|(name, count)| (name, Json::from(count)));
                Ok(Json::Object(all.collect()).with("reads_metered_this_month", self.metered_reads()))
            }
            "deliveries" => Ok(hooks::deliveries(&held(&self.state).store)),
            "limits" => {
                let count = |name: &str| usize::try_from(json.int(name)).unwrap_or_default();
                self.set_limits(count("per_minute"), count("per_second"));
                Ok(Json::object())
            }
            "settings" if body.is_empty() => Ok(self.settings()),
            "settings" => {
                json.members().iter().try_for_each(|(name, value)| self.set(name, value)).map(|()| Json::object())
            }
            _ => return None,
        })
    }

    /// How the company is set up.
    fn settings(&self) -> Json {
        let state = held(&self.state);
        let set = state.limits.set;
        obj! {
            "per_minute" => set.map(|set| set.0), "per_second" => set.map(|set| set.1),
            "batches_per_minute" => set.map(|set| set.2),
            "monthly_reads" => state.limits.reads, "rotation_ms" => state.rotation_ms, "refresh_grace_ms" => state.refresh_grace_ms,
            "throttle_batch_items" => state.throttled_items, "webhook_window_ms" => state.window_ms,
            "legacy_webhooks" => state.legacy, "cloudevents_type" => state.cloudevents_type,
            "faults_as_success" => state.faults_as_success,
        }
    }

    fn set(&self, name: &str, value: &Json) -> Result<(), Refused> {
        let number = value.text_of().parse::<u32>();
        let count = || number.clone().map_err(|_| Refused(format!("{name} must be a number")));
        match name {
            "act" => {}
            "monthly_reads" => self.set_monthly_reads(u64::from(count()?)),
            "rotation_ms" => self.set_rotation(i64::from(count()?)),
            "refresh_grace_ms" => self.set_refresh_grace(i64::from(count()?)),
            "throttle_batch_items" => self.throttle_batch_items(usize::try_from(count()?).unwrap_or(usize::MAX)),
            "webhook_window_ms" => self.set_webhook_window(i64::from(count()?)),
            "legacy_webhooks" => self.set_legacy_webhooks(value.is_true()),
            "cloudevents_type" => self.set_cloudevents_type(value.is_true()),
            "faults_as_success" => self.set_faults_as_success(value.is_true()),
            _ => return Err(Refused(format!("no setting is called {name}"))),
        }
        Ok(())
    }
}
