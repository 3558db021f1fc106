//! Webhooks in both shapes: signed over the raw body. They say that something changed; what it is, is read as changes,
//! all of a message in one read: reads are metered.

use jiff::Timestamp;
use milestoned_connector_kit::signature::is_signed_base64;
use milestoned_connector_kit::{Delivery, Hint, Hook, Refused, WebhookRequest};
use milestoned_mapping::command::DeliveryKey;
use secrecy::ExposeSecret;

use super::pull::{CHANGES, ENTITIES};
use super::{QuickBooks, wire};

/// One event, in whichever shape it came.
struct Told {
    /// The same whenever it is told again.
    id: String,
    realm: String,
    entity: String,
    /// When it happened; empty where it does not say.
    at: String,
}

impl Hook for QuickBooks {
    fn verify(&self, request: &WebhookRequest<'_>) -> Result<Vec<Delivery>, Refused> {
        let verifier = self.settings.verifier_token.as_ref().ok_or(Refused::Signature)?;
        let signature = request.header("intuit-signature").ok_or(Refused::Signature)?;
        if !is_signed_base64(verifier.expose_secret().as_bytes(), request.body, signature) {
            return Err(Refused::Signature);
        }
        Ok(vec![delivery(&String::from_utf8_lossy(request.body), &self.settings.realm)])
    }
}

/// What follows from a signed body. Whatever it says is taken: one that is refused is sent again, and nothing behind it
/// is sent meanwhile. One that cannot be read says that something changed, too.
fn delivery(text: &str, realm: &str) -> Delivery {
    let Some(told) = read(text) else {
        let hints = vec![Hint { object: CHANGES.into(), id: String::new() }];
        return Delivery { id: DeliveryKey::of(&[text]).to_string(), hints };
    };
    // A message has no name of its own, and events come again in other company: it is what it tells.
    let mut ids: Vec<&str> = told.iter().map(|told| told.id.as_str()).collect();
    ids.sort_unstable();
    let ours = told.iter().filter(|told| told.realm == realm);
    let known = ours.filter(|our| ENTITIES.iter().any(|entity| entity.eq_ignore_ascii_case(&our.entity)));
    // Within a message events stand in no order.
    let earliest = known.map(|told| told.at.parse::<Timestamp>().ok()).min();
    let since = earliest.map(|at| at.map(|at| at.to_string()).unwrap_or_default());
    let hints = since.map(|id| Hint { object: CHANGES.into(), id }).into_iter().collect();
    Delivery { id: DeliveryKey::of(&ids).to_string(), hints }
}

/// The events of a message: a list in the new shape, a table in the old one.
fn read(text: &str) -> Option<Vec<Told>> {
    if let Ok(events) = serde_json::from_str::<Vec<wire::CloudEvent>>(text) {
        let told = events.into_iter().map(|event| Told {
            // `qbo.invoice.created.v1`
            entity: event.kind.split('.').nth(1).unwrap_or_default().to_owned(),
            id: if event.id.is_empty() { format!("{} {} {}", event.kind, event.entity, event.time) } else { event.id },
            realm: event.realm,
            at: event.time,
        });
        return Some(told.collect());
    }
    let hook: wire::LegacyHook = serde_json::from_str(text).ok()?;
    let mut told = Vec::new();
    for notification in hook.event_notifications {
        for changed in notification.data_change_event.map(|event| event.entities).unwrap_or_default() {
            told.push(Told {
                id: [&notification.realm_id, &changed.name, &changed.id, &changed.operation, &changed.last_updated]
                    .map(String::as_str)
                    .join(" "),
                realm: notification.realm_id.clone(),
                entity: changed.name,
                at: changed.last_updated,
            });
        }
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> String {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
    }

    #[test]
    fn the_vendors_signature_verifies_and_a_flipped_bit_does_not() {
        let (body, token) = (fixture("qbo_webhook_legacy_signed.json"), b"00faeec4-08d0-4996-bb37-698ae19f0149");
        let signature = "6q+xGyMirJupwKTh2/WBl2NcdxzxqdIbk3sneKTxLWM=";
        assert!(is_signed_base64(token, body.as_bytes(), signature));
        for index in 0..body.len() {
            let mut flipped = body.clone().into_bytes();
            flipped[index] ^= 1;
            assert!(!is_signed_base64(token, &flipped, signature), "byte {index}");
        }
    }

    #[test]
    fn both_shapes_say_since_when_to_look() {
        for name in
            ["qbo_webhook_legacy_signed.json", "qbo_webhook_fyle_multi_entity.json", "qbo_webhook_cloudevents_sdk.json"]
        {
            let text = fixture(name);
            let told = read(&text).unwrap();
            assert!(!told.is_empty() && told.iter().all(|entity| !entity.id.is_empty()), "{name}");
            assert!(delivery(&text, "another company").hints.is_empty(), "{name}");
            assert!(delivery(&text, &told[0].realm).hints.len() <= 1, "{name}: one look is enough");
        }
    }
}
