//! Secrets that were sent to a remote, taken out of what is told of its answers: a remote, or a proxy in front of it, may
//! send back what it got. What is told is short and in one line, however much the remote says.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::Request;
use reqwest::header::AUTHORIZATION;

/// Characters of a foreign text that are kept.
const TEXT: usize = 500;
/// Secrets that are remembered: an access token lives for an hour, and a few at once are in use.
const REMEMBERED: usize = 32;
/// A text that is shorter is no secret, and may stand in any sentence.
const SHORTEST: usize = 6;
/// Bodies of sign-ins are shorter.
const SIGN_IN: usize = 16 * 1024;
/// Fields of a sign-in that are secret.
const FIELDS: [&str; 6] = ["assertion", "client_assertion", "client_secret", "code", "password", "refresh_token"];
/// What stands in the place of a secret.
const PLACE: &str = "[secret]";

/// The secrets that were sent to one remote.
#[derive(Default)]
pub struct Secrets(Mutex<VecDeque<Secret>>);

struct Secret {
    plain: String,
    /// The ways in which it may be written, longest first.
    written: Vec<String>,
}

impl Secret {
    fn new(plain: &str) -> Self {
        let encoded: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        let escaped = serde_json::to_string(plain).unwrap_or_default();
        let mut written = vec![
            plain.to_owned(),
            encoded.replace('+', "%20"),
            encoded,
            STANDARD_NO_PAD.encode(plain),
            URL_SAFE_NO_PAD.encode(plain),
            escaped.trim_matches('"').to_owned(),
            hex::encode(plain),
        ];
        written.sort_by_key(|text| std::cmp::Reverse(text.len()));
        written.dedup();
        Self { plain: plain.to_owned(), written }
    }
}

impl Secrets {
    /// A text that must not be told.
    pub fn learn(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|candidate| candidate.plain == secret) {
            return;
        }
        if known.len() >= REMEMBERED {
            known.pop_front();
        }
        known.push_back(Secret::new(secret));
    }

    /// What a request carries that must not be told.
    pub(crate) fn learn_from(&self, request: &Request) {
        if let Some(shown) = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            self.learn_credentials(shown);
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).filter(|body| body.len() <= SIGN_IN);
        let Some(body) = body.and_then(|body| std::str::from_utf8(body).ok()) else { return };
        if !FIELDS.iter().any(|field| body.contains(field)) {
            return;
        }
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(body) {
            Ok(fields) => {
                let secrets = FIELDS.iter().filter_map(|field| fields.get(*field)?.as_str());
                secrets.for_each(|secret| self.learn(secret));
            }
            Err(_) => url::form_urlencoded::parse(body.as_bytes())
                .filter(|(field, _)| FIELDS.contains(&field.as_ref()))
                .for_each(|(_, secret)| self.learn(&secret)),
        }
    }

    /// The value of `Authorization`: the whole of it, and what it is made of.
    fn learn_credentials(&self, shown: &str) {
        let (scheme, rest) = shown.split_once(' ').unwrap_or(("", shown));
        self.learn(rest);
        if scheme.eq_ignore_ascii_case("basic") {
            let plain = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
            self.learn(plain.split_once(':').map_or("", |(_, password)| password));
        }
        if scheme.eq_ignore_ascii_case("oauth") {
            let values =
                rest.split(',').filter_map(|part| part.split_once("=\"")).map(|(_, value)| value.trim_end_matches('"'));
            // The rest of such a header is different in every request, or no secret.
            values.filter(|value| value.len() > 20).for_each(|value| self.learn(value));
        }
    }

    /// A foreign text as it may be told: without secrets, without control characters, cut to a few lines.
    pub fn told(&self, text: &str) -> String {
        // A secret that the cut would halve is taken out before.
        let mut told: String = text.chars().take(TEXT.saturating_mul(16)).collect();
        for secret in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for written in &secret.written {
                if told.contains(written) {
                    told = told.replace(written, PLACE);
                }
            }
        }
        let mut short: String =
            told.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(TEXT).collect();
        if told.chars().nth(TEXT).is_some() {
            short.push('…');
        }
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_secret_is_written_it_is_not_told() {
        let secrets = Secrets::default();
        let plain = "rt-CANARY/7\"+x y";
        secrets.learn(plain);
        for written in &Secret::new(plain).written {
            let told = secrets.told(&format!("refused: {written} is wrong"));
            assert_eq!(told, "refused: [secret] is wrong", "{written}");
        }
        secrets.learn("abc");
        assert_eq!(secrets.told("abc is no secret\r\nof ours"), "abc is no secret  of ours");
    }

    #[test]
    fn whatever_a_remote_says_is_told_in_a_few_lines() {
        let secrets = Secrets::default();
        secrets.learn("CANARY-CANARY");
        let told = secrets.told(&format!("{}CANARY-CANARY{}", "x".repeat(495), "y".repeat(8_000_000)));
        assert_eq!(told.chars().count(), 501);
        assert!(told.ends_with("[secr…") || told.ends_with("[secret…"), "{told}");
    }
}
