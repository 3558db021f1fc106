//! A sign-in at a provider that was begun and has not come back.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::secret;

/// A sign-in that was begun. The server keeps it under the digest of a cookie until the answer comes; it is used once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Ties the answer to the browser.
    pub state: String,
    /// Ties the ID token to the sign-in.
    pub nonce: String,
    /// Proves to the provider that we began it.
    pub verifier: String,
    /// The page that was asked for.
    pub next: String,
}

impl Begun {
    /// A new sign-in, which leads to the page `next`.
    pub fn fresh(next: &str, random: &mut impl Rng) -> Self {
        let [state, nonce, verifier] = std::array::from_fn(|_| secret::fresh(random));
        Self { state, nonce, verifier, next: next.to_owned() }
    }
}
