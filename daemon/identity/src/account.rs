//! Local accounts, for houses without an identity provider: a password under Argon2id and a time-based second factor.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use jiff::Timestamp;
use rand::Rng;
use totp_rs::{Builder, Secret, Totp};

use crate::secret;

/// Fewest characters of a password. Length is what counts; no kinds of characters are asked for.
pub const LEAST: usize = 12;
/// Most characters, so that nobody has a hash computed over a megabyte.
pub const MOST: usize = 256;
/// Passwords that everybody tries first, beside the person's and the product's own name.
const COMMON: [&str; 8] = [
    "password1234",
    "passwordpassword",
    "123456789012",
    "qwertyuiopas",
    "administrator",
    "milestoned123",
    "letmeinletmein",
    "changemechangeme",
];

/// The hash of a password that nobody has: what is verified for a name that does not exist.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let hash = Argon2::default().hash_password(secret::fresh(&mut rand::rng()).as_bytes());
    hash.map(|hash| hash.to_string()).unwrap_or_default()
});

/// Why something about an account cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Too easy to guess.
    #[error("the password has {0} characters: at least {LEAST} and at most {MOST} are due")]
    Length(usize),
    /// Among those that are tried first.
    #[error(
        "the password is among those that are tried first: choose another, such as four words that have nothing to do with each other"
    )]
    Common,
    /// The stored hash or secret cannot be read.
    #[error("the stored account cannot be read: {0}")]
    Unreadable(String),
}

/// Argon2id with the parameters that OWASP recommends first (19 MiB, two passes) and a pepper that stands in no database.
fn argon2(pepper: &[u8]) -> Result<Argon2<'_>, AccountError> {
    Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, Params::default())
        .map_err(|error| AccountError::Unreadable(error.to_string()))
}

/// The Argon2id hash of a password, with its salt and parameters, as text. `pepper` takes part in it and is kept elsewhere:
/// whoever writes the database cannot make a hash that opens an account.
///
/// # Errors
/// The password is too short, too long or too common.
pub fn hash(name: &str, password: &str, pepper: &[u8]) -> Result<String, AccountError> {
    let length = password.chars().count();
    if !(LEAST..=MOST).contains(&length) {
        return Err(AccountError::Length(length));
    }
    let (lower, name) = (password.to_lowercase(), name.to_lowercase());
    if COMMON.contains(&lower.as_str()) || (name.len() > 2 && lower.replace(&name, "").len() < LEAST / 2) {
        return Err(AccountError::Common);
    }
    let hash = argon2(pepper)?.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| AccountError::Unreadable(error.to_string()))
}

/// Whether `password` is the one that was hashed. Costs the same for an account that does not exist (`stored` is `None`), so
/// that nobody learns which names there are.
pub fn verify(stored: Option<&str>, password: &str, pepper: &[u8]) -> bool {
    if password.chars().count() > MOST {
        return false;
    }
    let Ok(hash) = PasswordHash::new(stored.unwrap_or(&NOBODY)) else { return false };
    let right = argon2(pepper).is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &hash).is_ok());
    right && stored.is_some()
}

/// A fresh secret of the second factor, in base32, as authenticator apps take it: 160 bits (RFC 4226).
pub fn fresh_factor(random: &mut impl Rng) -> String {
    let mut bytes = [0_u8; 20];
    random.fill_bytes(&mut bytes);
    Secret::from(&bytes[..]).to_base32()
}

fn totp(name: &str, factor: &str) -> Result<Totp, AccountError> {
    let unreadable = |error: String| AccountError::Unreadable(error);
    let secret = Secret::try_from_base32(factor).map_err(|error| unreadable(error.to_string()))?;
    let builder =
        Builder::new().with_secret(secret).with_account_name(name.replace(':', " ")).with_issuer(Some("milestoned"));
    builder.build().map_err(|error| unreadable(error.to_string()))
}

/// The address that an authenticator app is given (`otpauth://…`).
///
/// # Errors
/// The secret cannot be read.
pub fn factor_address(name: &str, factor: &str) -> Result<String, AccountError> {
    totp(name, factor)?.to_url().map_err(|error| AccountError::Unreadable(error.to_string()))
}

/// The code that an authenticator app shows at an instant.
///
/// # Errors
/// The secret cannot be read.
pub fn code_at(name: &str, factor: &str, now: Timestamp) -> Result<String, AccountError> {
    let second = u64::try_from(now.as_second()).unwrap_or(0);
    Ok(totp(name, factor)?.generate(second).to_string())
}

/// The step of the clock (of 30 seconds) that `code` belongs to, if it is right: one step early or late is taken, none that
/// is not after `used`, so that a code that somebody looked at over a shoulder works once.
///
/// # Errors
/// The secret cannot be read.
pub fn check_factor(
    name: &str,
    factor: &str,
    code: &str,
    used: u64,
    now: Timestamp,
) -> Result<Option<u64>, AccountError> {
    let second = u64::try_from(now.as_second()).unwrap_or(0);
    Ok(totp(name, factor)?.check(code.trim(), second).filter(|step| *step > used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hashed = hash("dana", "four words of nothing", b"p").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify(Some(&hashed), "four words of nothing", b"p"));
        assert!(!verify(Some(&hashed), "four words of nothing ", b"p") && !verify(Some(&hashed), "", b"p"));
        assert!(!verify(None, "four words of nothing", b"p"));
        assert!(!verify(Some(&hashed), "four words of nothing", b"another pepper"));
        assert_ne!(hashed, hash("dana", "four words of nothing", b"p").unwrap(), "each has its salt");
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        assert_eq!(hash("dana", "short", b"p"), Err(AccountError::Length(5)));
        assert_eq!(hash("dana", "PasswordPassword", b"p"), Err(AccountError::Common));
        assert_eq!(hash("administrator", "administrator1", b"p"), Err(AccountError::Common));
        assert!(matches!(hash("dana", &"x".repeat(300), b"p"), Err(AccountError::Length(300))));
    }

    #[test]
    fn a_code_works_once_and_for_a_minute_and_a_half() {
        let factor = fresh_factor(&mut rand::rng());
        let now = Timestamp::from_second(1_800_000_015).unwrap();
        let code = totp("dana", &factor).unwrap().generate(1_800_000_015).to_string();
        let step = check_factor("dana", &factor, &code, 0, now).unwrap().expect("right");
        assert_eq!(check_factor("dana", &factor, &code, step, now), Ok(None), "used");
        let late = Timestamp::from_second(1_800_000_015 + 31).unwrap();
        assert!(check_factor("dana", &factor, &code, 0, late).unwrap().is_some());
        let too_late = Timestamp::from_second(1_800_000_015 + 90).unwrap();
        assert_eq!(check_factor("dana", &factor, &code, 0, too_late), Ok(None));
        assert_eq!(check_factor("dana", &factor, "000", 0, now), Ok(None));
    }

    #[test]
    fn the_code_is_that_of_the_standard() {
        // RFC 6238, appendix B: SHA-1, second 59, the last six of eight digits.
        let factor = Secret::from("12345678901234567890".as_bytes()).to_base32();
        let second_59 = Timestamp::from_second(59).unwrap();
        assert!(check_factor("dana", &factor, "287082", 0, second_59).unwrap().is_some());
        assert!(factor_address("dana@x", &factor).unwrap().starts_with("otpauth://totp/milestoned:dana%40x?secret="));
    }
}
