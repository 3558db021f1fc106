//! What must hold in a configuration beside the shape of its keys: nobody signs in with nothing, and the review policy
//! can be understood.

use std::collections::BTreeSet;

use milestoned_mapping::contract::Policy;
use milestoned_mapping::money::Currency;
use milestoned_mapping::problem::Problem;
use secrecy::ExposeSecret;

use super::{Secrets, Settings, Token};

/// Names under which the daemon itself stands in the audit trail.
const OWN_NAMES: [&str; 4] = ["api", "contract folder", "milestoned", "system"];
/// Characters of the shortest token that has 128 bits: 16 random bytes in base64.
const SHORTEST: usize = 22;
/// The same where all characters are hexadecimal digits.
const SHORTEST_HEX: usize = 32;
/// Drawn at random, so many characters have more different ones than this.
const FEW_CHARACTERS: usize = 8;
/// The currency with the most digits behind the point: an amount that it cannot say is none of any currency.
const FINEST: &str = "CLF";

/// What keeps the daemon from starting.
pub(super) fn refused(settings: &Settings, secrets: Secrets) -> Vec<Problem> {
    let mut problems = policy(settings);
    if let Err(error) = url::Url::parse(&settings.http.public_url) {
        let reason = format!("{:?} is no address: {error}", settings.http.public_url);
        problems.push(Problem::new("http.public_url", reason, "write such as https://milestoned.example.com"));
    }
    let (mut names, mut tokens) = (BTreeSet::new(), BTreeSet::new());
    for token in &settings.http.tokens {
        let wrong = |reason: &str, remedy: &str| Problem::new(place(token), reason, remedy);
        let name = token.name.trim().to_lowercase();
        if name.is_empty() || token.name.chars().any(char::is_control) {
            problems
                .push(wrong("the name is empty or cannot be printed", "name the person or program that has the token"));
        } else if OWN_NAMES.contains(&name.as_str()) || settings.connections.contains_key(&token.name) {
            problems.push(wrong("the name is the daemon's own in the audit trail", "choose another name"));
        } else if !names.insert(name) {
            problems.push(wrong("another token has this name", "give each its own name"));
        }
        // What stands in for secrets that are not needed is the same for all.
        if secrets == Secrets::Database {
            continue;
        }
        let text = token.token.expose_secret();
        if text.is_empty() {
            problems.push(wrong("the token is empty: everybody would have it", "draw one: openssl rand -base64 32"));
        } else if !tokens.insert(text) {
            problems.push(wrong("another entry has the same token", "draw one for each: openssl rand -base64 32"));
        }
    }
    problems
}

/// What the daemon starts with, and should not be so.
pub(super) fn warned(settings: &Settings, secrets: Secrets) -> Vec<Problem> {
    if secrets == Secrets::Database {
        return Vec::new();
    }
    let guessed =
        |token: &&Token| !token.token.expose_secret().is_empty() && can_be_guessed(token.token.expose_secret());
    let warning = |token: &Token| {
        Problem::new(
            place(token),
            "the token has less than 128 bits: it can be guessed",
            "draw one: openssl rand -base64 32",
        )
    };
    settings.http.tokens.iter().filter(guessed).map(warning).collect()
}

fn place(token: &Token) -> String {
    format!("http.tokens {:?}", token.name)
}

fn can_be_guessed(text: &str) -> bool {
    let (length, different) = (text.chars().count(), text.chars().collect::<BTreeSet<_>>().len());
    let hex = text.chars().all(|character| character.is_ascii_hexdigit());
    length < if hex { SHORTEST_HEX } else { SHORTEST } || different <= FEW_CHARACTERS
}

/// The policy is read again for every contract, in its currency.
fn policy(settings: &Settings) -> Vec<Problem> {
    let Ok(currency) = FINEST.parse::<Currency>() else { return Vec::new() };
    let Err(errors) = Policy::from_value(settings.policy.clone(), currency) else { return Vec::new() };
    let problem = |line: &str| {
        let (place, reason) = line.split_once(": ").unwrap_or(("policy", line));
        Problem::new(place, reason, "see [policy] of config/default.toml")
    };
    errors.to_string().lines().map(problem).collect()
}
