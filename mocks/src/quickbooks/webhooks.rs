//! Webhooks: events of a time in one signed message, in the shape of CloudEvents or in the older one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::chart;
use super::state::State;
use crate::hooks;
use crate::json::{Json, list, obj};

/// Milliseconds until the next try, by the number of those that failed.
pub(crate) fn again(_: &str, tries: i64) -> Option<i64> {
    const WAITS: [i64; 8] = [10, 20, 30, 300, 1200, 7200, 14_400, 21_600];
    let at = usize::try_from(tries - 1).unwrap_or_default();
    Some(WAITS.get(at).copied().unwrap_or(21_600) * 1000)
}

impl State {
    /// Notes an event for the next webhook.
    pub(crate) fn tell(&mut self, entity: &str, id: &str, what: &str) {
        if self.store.count("hooks") == 0 {
            return;
        }
        let number = self.store.next("event", 1);
        let time = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
        let mut event = obj! {
            "specversion" => "1.0", "id" => format!("5f1e0000-0000-4000-8000-{number:012}"),
            "source" => "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
            "type" => format!("qbo.{}.{what}.v1", entity.to_lowercase()), "time" => time,
            "intuitentityid" => id, "intuitaccountid" => &self.realm, "data" => Json::object(),
        };
        // the vendor's own example goes without it
        if number % 2 == 1 {
            event.set("datacontenttype", "application/json");
        }
        self.store.put("events", &number.to_string(), event.with("noted", self.clock.millis()));
    }

    /// Makes one message of the events whose window is over, in no order of time. Nothing newer is made before the one before
    /// got through.
    pub(crate) fn bundle(&mut self) {
        let Some(hook) = self.store.get("hooks", "1").cloned() else { return };
        let now = self.clock.millis();
        let oldest = self.store.all("events").map(|(_, event)| event.int("noted")).min();
        if self.store.count("outbox") > 0 || oldest.is_none_or(|oldest| now - oldest < self.window_ms) {
            return;
        }
        let ids: Vec<String> = self.store.all("events").map(|(id, _)| id.to_string()).rev().collect();
        let mut events: Vec<Json> = ids.iter().filter_map(|id| self.store.remove("events", id)).collect();
        for event in &mut events {
            event.remove("noted");
        }
        let legacy_body = self.legacy.then(|| legacy(&self.realm, &events));
        let body = legacy_body.unwrap_or(Json::List(events)).to_string();
        let kind = if self.cloudevents_type { "application/cloudevents+json" } else { "application/json" };
        let mut headers = vec![
            ("content-type".to_string(), kind.to_string()),
            ("user-agent".to_string(), "intuit_notification_framework".to_string()),
        ];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(hook.text("verifier").as_bytes()) {
            mac.update(body.as_bytes());
            headers.push(("intuit-signature".to_string(), STANDARD.encode(mac.finalize().into_bytes())));
        }
        hooks::queue(&mut self.store, &hook.text("url"), headers, &body, now);
    }
}

/// Events in the older shape.
fn legacy(realm: &str, events: &[Json]) -> Json {
    let row = |event: &Json| {
        let kind = event.text("type");
        let mut parts = kind.split('.').skip(1);
        let entity = parts.next().and_then(chart::entity).unwrap_or_default();
        let operation = match parts.next().unwrap_or_default() {
            "created" => "Create",
            "deleted" => "Delete",
            "voided" => "Void",
            "emailed" => "Emailed",
            _ => "Update",
        };
        obj! {
            "name" => entity, "id" => event.text("intuitentityid"), "operation" => operation,
            "lastUpdated" => event.text("time"),
        }
    };
    let entities = Json::List(events.iter().map(row).collect());
    obj! {"eventNotifications" => list![obj! {"realmId" => realm, "dataChangeEvent" => obj! {"entities" => entities}}]}
}
