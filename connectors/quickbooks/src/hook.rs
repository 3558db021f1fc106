//! Webhooks in both shapes: signed over the raw body; they say which documents to read again.

use milestoned_connector_kit::signature::is_signed_base64;
use milestoned_connector_kit::{Delivery, Hint, Hook, Knock, Refused};
use milestoned_mapping::command::DeliveryKey;
use secrecy::ExposeSecret;

use super::{QuickBooks, wire};

impl Hook for QuickBooks {
    fn verify(&self, knock: &Knock<'_>) -> Result<Vec<Delivery>, Refused> {
        let verifier = self.settings.verifier_token.as_ref().ok_or(Refused::Signature)?;
        let signature = knock.header("intuit-signature").ok_or(Refused::Signature)?;
        if !is_signed_base64(verifier.expose_secret().as_bytes(), knock.body, signature) {
            return Err(Refused::Signature);
        }
        let text = std::str::from_utf8(knock.body).map_err(|error| Refused::Body(error.to_string()))?;
        let hints = read(text, &self.settings.realm)?;
        // A batch has no name of its own: its content is it.
        Ok(vec![Delivery { id: DeliveryKey::of(&[text]).to_string(), hints }])
    }
}

/// Documents of our company that a webhook names.
fn read(text: &str, realm: &str) -> Result<Vec<Hint>, Refused> {
    let unreadable = |error: serde_json::Error| Refused::Body(error.to_string());
    if text.trim_start().starts_with('[') {
        let events: Vec<wire::CloudEvent> = serde_json::from_str(text).map_err(unreadable)?;
        return Ok(events
            .into_iter()
            .filter(|event| event.realm == realm)
            // `qbo.invoice.created.v1`
            .filter_map(|event| Some(Hint { object: event.kind.split('.').nth(1)?.to_owned(), id: event.entity }))
            .collect());
    }
    let hook: wire::LegacyHook = serde_json::from_str(text).map_err(unreadable)?;
    Ok(hook
        .event_notifications
        .into_iter()
        .filter(|notification| notification.realm_id == realm)
        .filter_map(|notification| notification.data_change_event)
        .flat_map(|event| event.entities)
        .map(|entity| Hint { object: entity.name.to_lowercase(), id: entity.id })
        .collect())
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
        assert!(!is_signed_base64(token, body.replacen('{', "[", 1).as_bytes(), signature));
    }

    #[test]
    fn both_shapes_name_documents() {
        for name in
            ["qbo_webhook_legacy_signed.json", "qbo_webhook_fyle_multi_entity.json", "qbo_webhook_cloudevents_sdk.json"]
        {
            let text = fixture(name);
            let realm = serde_json::from_str::<serde_json::Value>(&text).unwrap();
            let realm = realm.pointer("/eventNotifications/0/realmId").or(realm.pointer("/0/intuitaccountid"));
            let hints = read(&text, realm.unwrap().as_str().unwrap()).unwrap();
            assert!(!hints.is_empty() && hints.iter().all(|hint| !hint.id.is_empty()), "{name}: {hints:?}");
            assert!(read(&text, "another company").unwrap().is_empty(), "{name}");
        }
    }
}
