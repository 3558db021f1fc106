//! Webhooks: signed over the raw body; they say which issue to read again.

use http::HeaderMap;
use milestoned_connector_kit::signature::is_signed_hex;
use milestoned_connector_kit::{Delivery, Hint, Hook, Refused};
use milestoned_mapping::command::DeliveryKey;
use secrecy::ExposeSecret;

use super::{Jira, wire};

impl Hook for Jira {
    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Refused> {
        let secret = self.settings.webhook_secret.as_ref().ok_or(Refused::Signature)?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signature =
            header("x-hub-signature").and_then(|value| value.strip_prefix("sha256=")).ok_or(Refused::Signature)?;
        if !is_signed_hex(secret.expose_secret().as_bytes(), body, signature) {
            return Err(Refused::Signature);
        }
        let text = std::str::from_utf8(body).map_err(|error| Refused::Body(error.to_string()))?;
        let hints = read(text)?;
        // The same for every retry of one delivery; older servers send none, then the body itself is the name.
        let id =
            header("x-atlassian-webhook-identifier").map_or_else(|| DeliveryKey::of(&[text]).to_string(), Into::into);
        Ok(Delivery { id, hints })
    }
}

/// Which issue a webhook is about, if any.
fn read(text: &str) -> Result<Vec<Hint>, Refused> {
    let webhook: wire::Webhook = serde_json::from_str(text).map_err(|error| Refused::Body(error.to_string()))?;
    let of_comment = |comment: wire::Comment| {
        // Data Center sends a comment without its issue; the link names it: …/issue/10011/comment/10203.
        let rest = comment.link.split_once("/issue/")?.1.to_owned();
        rest.split('/').next().map(Into::into)
    };
    let id = webhook.issue.map(|issue| issue.id).or_else(|| webhook.comment.and_then(of_comment));
    Ok(id.map(|id| Hint { object: "issue".into(), id }).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_webhook_names_its_issue() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut read_ones = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json")
                && path.to_string_lossy().contains("webhook")
            {
                let hints = read(&std::fs::read_to_string(&path).unwrap()).unwrap();
                assert_eq!(hints.len(), 1, "{}", path.display());
                assert!(hints[0].id.parse::<u64>().is_ok(), "{}: {}", path.display(), hints[0].id);
                read_ones += 1;
            }
        }
        assert!(read_ones >= 12, "{read_ones} recorded webhooks");
    }
}
