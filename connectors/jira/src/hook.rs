//! Webhooks: those of an administrator are signed over the raw body, those of an OAuth app come with a token; they say
//! which issue to read again.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use milestoned_connector_kit::signature::is_signed_hex;
use milestoned_connector_kit::{Delivery, Hint, Hook, Refused, WebhookRequest};
use milestoned_mapping::command::DeliveryKey;
use secrecy::ExposeSecret;

use super::issue::OBJECT;
use super::settings::Auth;
use super::{Jira, wire};

/// Nothing in a signature says when it was made: what is older than any retry is a replay, and says nothing.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// Clocks may differ by so much.
const LEEWAY: i64 = 60;
/// Seconds for which a token of an app is valid at most: one that says more would be taken for ever.
const LONGEST: i64 = 24 * 60 * 60;

impl Hook for Jira {
    fn verify(&self, request: &WebhookRequest<'_>) -> Result<Vec<Delivery>, Refused> {
        let now = self.client.now();
        self.authenticate(request, now)?;
        let text = std::str::from_utf8(request.body).map_err(|error| Refused::Body(error.to_string()))?;
        let webhook: wire::Webhook = serde_json::from_str(text).map_err(|error| Refused::Body(error.to_string()))?;
        // A body from a time that is to come would be new again some day.
        let at = serde_json::from_value::<wire::Moment>(webhook.timestamp.clone()).ok();
        let stale = at.is_some_and(|at| at.0.duration_until(now).abs() > STALE);
        let hints = if stale { Vec::new() } else { hints(webhook) };
        // The body is what is signed: a retry has the same, and a header that somebody else wrote makes no new delivery of it.
        Ok(vec![Delivery { id: DeliveryKey::of(&[text]).to_string(), hints }])
    }
}

impl Jira {
    fn authenticate(&self, request: &WebhookRequest<'_>, now: Timestamp) -> Result<(), Refused> {
        if let Some(signature) = request.header("x-hub-signature") {
            let secret = self.settings.webhook_secret.as_ref().ok_or(Refused::Signature)?;
            // Of the methods that the header could name, one is taken.
            let signature = signature.strip_prefix("sha256=").ok_or(Refused::Signature)?;
            let signed = is_signed_hex(secret.expose_secret().as_bytes(), request.body, signature);
            return if signed { Ok(()) } else { Err(Refused::Signature) };
        }
        let Auth::Oauth { client_secret, .. } = &self.settings.auth else { return Err(Refused::Signature) };
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let secret = client_secret.expose_secret();
        match token.filter(|_| !secret.is_empty()) {
            Some(token) if is_current(token, secret, now) => Ok(()),
            _ => Err(Refused::Signature),
        }
    }
}

/// Whether a token was signed with this secret, in the one way that is taken, and is valid now. It says nothing of the
/// body: the issue is read again anyway.
fn is_current(token: &str, secret: &str, now: Timestamp) -> bool {
    let mut rules = Validation::new(Algorithm::HS256);
    // Compared below with our own clock.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims = ["exp".to_owned()].into();
    let Ok(read) = jsonwebtoken::decode::<wire::Claims>(token, &DecodingKey::from_secret(secret.as_bytes()), &rules)
    else {
        return false;
    };
    let now = now.as_second();
    read.claims.exp.is_some_and(|exp| exp.saturating_add(LEEWAY) > now && exp.saturating_sub(now) <= LONGEST)
        && read.claims.nbf.is_none_or(|nbf| nbf.saturating_sub(LEEWAY) <= now)
}

/// Which issue a webhook is about, if any.
fn hints(webhook: wire::Webhook) -> Vec<Hint> {
    // Our own status makes these.
    if webhook.event.as_str().unwrap_or_default().starts_with("issue_property_") {
        return Vec::new();
    }
    // Data Center sends a comment without its issue; the link names it: …/issue/10011/comment/10203.
    let link = webhook.comment.get("self").and_then(serde_json::Value::as_str).unwrap_or_default();
    let of_comment = || link.split_once("/issue/")?.1.split('/').next().map(str::to_owned);
    let id = match webhook.issue.get("id") {
        Some(serde_json::Value::String(id)) => Some(id.clone()),
        Some(serde_json::Value::Number(id)) => Some(id.to_string()),
        _ => of_comment(),
    };
    id.map(|id| Hint { object: OBJECT.into(), id }).into_iter().collect()
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
                let hints = hints(serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap());
                assert_eq!(hints.len(), 1, "{}", path.display());
                assert!(hints[0].id.parse::<u64>().is_ok(), "{}: {}", path.display(), hints[0].id);
                read_ones += 1;
            }
        }
        assert!(read_ones >= 12, "{read_ones} recorded webhooks");
    }

    #[test]
    fn whatever_a_rule_of_automation_writes_is_taken_and_says_which_issue_where_it_does() {
        for (body, expected) in [
            (r#"{"issue":{"id":10001}}"#, Some("10001")),
            (r#"{"issue":{"id":"10001"},"webhookEvent":7,"timestamp":"today","comment":[]}"#, Some("10001")),
            (r#"{"issue":null,"comment":{"self":"https://x/rest/api/2/issue/10011/comment/1"}}"#, Some("10011")),
            (r#"{"issue":"MS-1"}"#, None),
            (r#"{"issue":{"id":null,"key":"MS-1"}}"#, None),
            ("{}", None),
        ] {
            let hints = hints(serde_json::from_str(body).unwrap());
            assert_eq!(hints.first().map(|hint| hint.id.as_str()), expected, "{body}");
        }
    }

    #[test]
    fn a_token_is_taken_with_its_secret_its_algorithm_and_in_its_time() {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let token = |algorithm, secret: &str, exp: i64| {
            let claims = serde_json::json!({ "exp": exp, "nbf": 0 });
            let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), &claims, &key).unwrap()
        };
        let soon = now.as_second() + 60;
        let good = token(Algorithm::HS256, "secret", soon);
        assert!(is_current(&good, "secret", now));
        assert!(!is_current(&good, "another", now));
        assert!(!is_current(&token(Algorithm::HS512, "secret", soon), "secret", now));
        assert!(!is_current(&token(Algorithm::HS256, "secret", now.as_second() - 61), "secret", now));
        assert!(!is_current(&token(Algorithm::HS256, "secret", now.as_second() + 400 * 86_400), "secret", now));
        let claims = serde_json::json!({ "nbf": 0 });
        let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
        let endless = jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert!(!is_current(&endless, "secret", now));
        let flipped = good.replacen('.', ".e", 1);
        assert!(!is_current(&flipped, "secret", now));
    }
}
