//! The director's verbs that only this account has, for the admin API.

use super::NetSuite;
use crate::clock::held;
use crate::json::{Json, obj};
use crate::lot::LotSpec;
use crate::{Fields, Refused};

impl NetSuite {
    /// Does a verb of the admin API; nothing for one that is not known.
    pub(crate) fn direct(&self, verb: &str, act: &str, body: &Fields) -> Option<Result<Json, Refused>> {
        let json = Json::from(body.clone());
        let done = |id: String| obj! {"id" => id};
        Some(match verb {
            "generate" => {
                LotSpec::read(body, self.now()).and_then(|lot| self.generate(act, &json.text("type"), &lot)).map(done)
            }
            "keys" => self
                .register_key(&json.text("client"), &json.text("certificate"), &json.text("pem"))
                .map(|()| done(json.text("certificate"))),
            "lock" => self.lock_record(act, &json.text("type"), &json.text("id")).map(|()| done(json.text("id"))),
            "deny" => self.deny(act, &json.text("type")).map(|()| done(json.text("type"))),
            "usage" => {
                let all = self.usage().into_iter().map(|(name, count)| (name, Json::from(count)));
                Ok(Json::Object(all.collect()))
            }
            "settings" if body.is_empty() => Ok(self.settings()),
            "settings" => {
                json.members().iter().try_for_each(|(name, value)| self.set(name, value)).map(|()| Json::object())
            }
            _ => return None,
        })
    }

    /// How the account is set up.
    fn settings(&self) -> Json {
        let state = held(&self.state);
        let rules = &state.rules;
        let service_ms = self.service_ms.load(std::sync::atomic::Ordering::Relaxed);
        obj! {
            "concurrency" => rules.concurrency, "service_ms" => service_ms, "per_minute" => rules.per_minute,
            "processing_ms" => rules.processing_ms, "advanced_revenue" => rules.advanced_revenue,
            "overload_as_login" => rules.overload_as_login, "mandatory" => rules.mandatory.join(" "),
            "custom_fields" => rules.custom_fields.as_ref().map(|fields| fields.join(" ")),
            "numbers_itself" => rules.numbers_itself, "approval_routing" => rules.approval_routing,
            "legacy_tax" => rules.legacy_tax, "time_zone" => state.zone.iana_name(),
        }
    }

    fn set(&self, name: &str, value: &Json) -> Result<(), Refused> {
        let number = value.text_of().parse::<u32>();
        let count = || number.clone().map_err(|_| Refused(format!("{name} must be a number")));
        match name {
            "act" => {}
            "concurrency" => self.set_concurrency(usize::try_from(count()?).unwrap_or(usize::MAX)),
            "processing_ms" => self.set_processing_time(i64::from(count()?)),
            "service_ms" => self.set_service_time(u64::from(count()?)),
            "per_minute" => {
                let most = usize::try_from(count()?).unwrap_or(usize::MAX);
                self.set_frequency(Some(most).filter(|most| *most > 0));
            }
            "advanced_revenue" => self.set_advanced_revenue(value.is_true()),
            "overload_as_login" => self.set_overload_as_login(value.is_true()),
            "mandatory" => self.set_mandatory(&value.text_of().split_whitespace().collect::<Vec<_>>()),
            "custom_fields" => self.set_custom_fields(&value.text_of().split_whitespace().collect::<Vec<_>>()),
            "numbers_itself" => self.set_numbers_itself(value.is_true()),
            "approval_routing" => self.set_approval_routing(value.is_true()),
            "legacy_tax" => self.set_legacy_tax(value.is_true()),
            "time_zone" => {
                if !self.set_time_zone(&value.text_of()) {
                    return Err(Refused(format!("no time zone is called {}", value.text_of())));
                }
            }
            _ => return Err(Refused(format!("no setting is called {name}"))),
        }
        Ok(())
    }
}
