//! The house's key, which is kept outside of the database. Whoever can write the database cannot make a row that it attests
//! ([`Key::attest`]), nor read what it hides ([`Key::seal`]).
//!
//! One key of 256 bits is configured; every purpose has a key of its own that is derived from it, so that an attestation of
//! one kind of row is none of another. Keys are exchanged by keeping the former ones in the list: new attestations are made
//! with the first, old ones are still known.

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;

/// Bytes of a key.
pub const LENGTH: usize = 32;

/// What an attestation or a seal is for. The words are part of what is computed: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A line of the audit chain.
    Audit,
    /// A row of a table that is acted on.
    Row,
    /// A row's part in the sum over all rows of its table.
    Sum,
    /// A secret that a browser or a program presents.
    Presented,
    /// A secret that is stored, such as a refresh token.
    Stored,
    /// A password's pepper.
    Password,
    /// The head of the audit trail, as it is kept outside.
    Checkpoint,
    /// What a workbook was exported with.
    Workbook,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Audit => "milestoned/1/audit",
            Self::Row => "milestoned/1/row",
            Self::Sum => "milestoned/1/sum",
            Self::Presented => "milestoned/1/presented",
            Self::Stored => "milestoned/1/stored",
            Self::Password => "milestoned/1/password",
            Self::Checkpoint => "milestoned/1/checkpoint",
            Self::Workbook => "milestoned/1/workbook",
        }
    }
}

/// Why a key cannot be used, or a sealed text not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too short, or not hexadecimal.
    #[error(
        "a key has 64 hexadecimal digits (256 bits), such as `openssl rand -hex 32` prints; this one has {0} characters"
    )]
    Key(usize),
    /// None of the keys made it, or it was changed.
    #[error("it was sealed with another key, or changed since")]
    Opened,
}

#[derive(Clone)]
struct Single {
    /// Names the key without telling it: the first digits of what it makes of a fixed text.
    id: String,
    bytes: Zeroizing<[u8; LENGTH]>,
}

/// The key in use, and former ones.
#[derive(Clone)]
pub struct Key {
    current: Single,
    former: Vec<Single>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.current.id)
    }
}

impl Single {
    fn read(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        hex::decode_to_slice(text, bytes.as_mut()).map_err(|_| SealError::Key(text.chars().count()))?;
        Ok(Self::of(bytes))
    }

    fn of(bytes: Zeroizing<[u8; LENGTH]>) -> Self {
        let named = compute(bytes.as_ref(), &["milestoned/1/id"]);
        Self { id: hex::encode(named).chars().take(8).collect(), bytes }
    }

    fn derived(&self, purpose: Purpose) -> [u8; LENGTH] {
        compute(self.bytes.as_ref(), &[purpose.name()])
    }

    fn mac(&self, purpose: Purpose, parts: &[&str]) -> [u8; LENGTH] {
        compute(&self.derived(purpose), parts)
    }
}

/// Bytes of a code.
pub const CODE: usize = 16;

/// Makes codes for one purpose: what is derived from the keys is computed once, for those who code every row they write.
#[derive(Clone)]
pub struct Coder {
    current: Hmac<Sha256>,
    former: Vec<Hmac<Sha256>>,
}

impl Coder {
    fn fed(mac: &Hmac<Sha256>, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = mac.clone();
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    /// The code of these parts under the key in use: the first half of an HMAC-SHA256, as RFC 2104 allows it.
    pub fn code(&self, parts: &[&[u8]]) -> [u8; CODE] {
        let whole: [u8; LENGTH] = Self::fed(&self.current, parts).finalize().into_bytes().into();
        let (code, _) = whole.split_at(CODE);
        code.try_into().unwrap_or([0; CODE])
    }

    /// Whether one of the keys made this code of these parts. Takes the same time wherever it differs.
    pub fn knows(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        code.len() == CODE
            && std::iter::once(&self.current)
                .chain(&self.former)
                .any(|mac| Self::fed(mac, parts).verify_truncated_left(code).is_ok())
    }
}

/// HMAC-SHA256 over parts, each with its length before it: where one ends and the next begins is part of it.
fn compute(key: &[u8], parts: &[&str]) -> [u8; LENGTH] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; LENGTH] };
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

impl Key {
    /// The keys of the configuration: the one in use first.
    ///
    /// # Errors
    /// One of them is no key.
    pub fn read(current: &str, former: &[String]) -> Result<Self, SealError> {
        let former = former.iter().map(|text| Single::read(text)).collect::<Result<_, _>>()?;
        Ok(Self { current: Single::read(current)?, former })
    }

    /// A key of these bytes.
    pub fn of(bytes: [u8; LENGTH]) -> Self {
        Self { current: Single::of(Zeroizing::new(bytes)), former: Vec::new() }
    }

    /// Names the key in use without telling it.
    pub fn id(&self) -> &str {
        &self.current.id
    }

    /// Whether a seal or attestation was made by one of these keys, as far as it says so itself.
    pub fn is_named_in(&self, made: &str) -> bool {
        let id = made.split(':').next().unwrap_or_default();
        std::iter::once(&self.current).chain(&self.former).any(|single| single.id == id)
    }

    /// A former key that made this seal or attestation, as it says itself; `None`: the one in use, or none of ours.
    pub fn former_named_in(&self, made: &str) -> Option<Self> {
        let id = made.split(':').next().unwrap_or_default();
        let former = self.former.iter().find(|single| single.id == id && self.current.id != id)?;
        Some(Self { current: former.clone(), former: Vec::new() })
    }

    /// What codes many texts for one purpose.
    ///
    /// # Errors
    /// Never with a key of this length.
    pub fn coder(&self, purpose: Purpose) -> Result<Coder, SealError> {
        let of = |single: &Single| {
            Hmac::<Sha256>::new_from_slice(&single.derived(purpose)).map_err(|_| SealError::Key(LENGTH))
        };
        let former = self.former.iter().map(of).collect::<Result<_, _>>()?;
        Ok(Coder { current: of(&self.current)?, former })
    }

    /// What attests `parts`: the key's id and a code that only the key makes. Says which key it was, for when keys are
    /// exchanged.
    pub fn attest(&self, purpose: Purpose, parts: &[&str]) -> String {
        format!("{}:{}", self.current.id, hex::encode(self.current.mac(purpose, parts)))
    }

    /// Whether `attestation` was made for exactly these parts by one of the keys. Takes the same time wherever it differs.
    pub fn attests(&self, purpose: Purpose, parts: &[&str], attestation: &str) -> bool {
        let Some((id, code)) = attestation.split_once(':') else { return false };
        let Ok(code) = hex::decode(code) else { return false };
        let mut keys = std::iter::once(&self.current).chain(&self.former).filter(|single| single.id == id);
        keys.any(|single| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&single.derived(purpose)) else { return false };
            for part in parts {
                mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                mac.update(part.as_bytes());
            }
            mac.verify_slice(&code).is_ok()
        })
    }

    /// The name under which a presented secret is known: whoever reads or writes the database cannot make one.
    pub fn known_as(&self, secret: &str) -> String {
        hex::encode(self.current.mac(Purpose::Presented, &[secret]))
    }

    /// Bytes that take part in every password's hash and stand in no database.
    pub fn pepper(&self) -> [u8; LENGTH] {
        self.current.derived(Purpose::Password)
    }

    /// The house's public key and its Ed25519 signature of a text, hex: whoever has that key can check it, and cannot make one.
    /// `None`: the machine cannot sign.
    pub fn sign(&self, text: &str) -> Option<(String, String)> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&self.current.derived(Purpose::Checkpoint)).ok()?;
        Some((hex::encode(pair.public_key().as_ref()), hex::encode(pair.sign(text.as_bytes()).as_ref())))
    }

    /// The public keys under which what these keys sign is known: of the one in use first.
    pub fn public_keys(&self) -> Vec<String> {
        let pair = |single: &Single| Ed25519KeyPair::from_seed_unchecked(&single.derived(Purpose::Checkpoint)).ok();
        let all = std::iter::once(&self.current).chain(&self.former);
        all.filter_map(pair).map(|pair| hex::encode(pair.public_key().as_ref())).collect()
    }

    /// Hides a text. `place` says where it belongs (table, row, column): put elsewhere it cannot be opened.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn seal(&self, place: &str, text: &str) -> Result<String, SealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.current.derived(Purpose::Stored));
        let mut hidden = text.as_bytes().to_vec();
        let nonce = key
            .and_then(|key| key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut hidden))
            .map_err(|_| SealError::Opened)?;
        let nonce: &[u8; 12] = nonce.as_ref();
        Ok(format!("{}:{}:{}", self.current.id, hex::encode(nonce), STANDARD_NO_PAD.encode(hidden)))
    }

    /// The text that was hidden at `place`.
    ///
    /// # Errors
    /// It was sealed with another key, belongs elsewhere, or was changed.
    pub fn open(&self, place: &str, sealed: &str) -> Result<String, SealError> {
        let mut parts = sealed.splitn(3, ':');
        let (Some(id), Some(nonce), Some(hidden)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SealError::Opened);
        };
        let mut bytes = [0_u8; 12];
        hex::decode_to_slice(nonce, &mut bytes).map_err(|_| SealError::Opened)?;
        let hidden = STANDARD_NO_PAD.decode(hidden).map_err(|_| SealError::Opened)?;
        let opened =
            std::iter::once(&self.current).chain(&self.former).filter(|single| single.id == id).find_map(|single| {
                let key = RandomizedNonceKey::new(&AES_256_GCM, &single.derived(Purpose::Stored)).ok()?;
                let mut hidden = hidden.clone();
                let text = key.open_in_place((&bytes).into(), Aad::from(place.as_bytes()), &mut hidden).ok()?;
                String::from_utf8(text.to_vec()).ok()
            });
        opened.ok_or(SealError::Opened)
    }
}

/// Whether a text was signed by the house with this public key; both hex.
pub fn is_signed(public_key: &str, text: &str, signature: &str) -> bool {
    let (Ok(public_key), Ok(signature)) = (hex::decode(public_key), hex::decode(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, public_key).verify(text.as_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::of([7; LENGTH])
    }

    #[test]
    fn a_key_is_read_from_hexadecimal_text_and_never_shown() {
        let text = "07".repeat(32);
        assert_eq!(Key::read(&format!("{text}\n"), &[]).unwrap().id(), key().id());
        assert_eq!(Key::read("0707", &[]).unwrap_err(), SealError::Key(4));
        assert!(!format!("{:?}", key()).contains("0707"));
    }

    #[test]
    fn former_keys_are_known_and_the_first_one_makes_new_attestations() {
        let (old, new) = ("07".repeat(32), "08".repeat(32));
        let (before, after) = (key(), Key::read(&new, std::slice::from_ref(&old)).unwrap());
        let made = before.attest(Purpose::Row, &["outbox", "1"]);
        assert!(after.attests(Purpose::Row, &["outbox", "1"], &made));
        assert!(!before.attests(Purpose::Row, &["outbox", "1"], &after.attest(Purpose::Row, &["outbox", "1"])));
        assert_eq!(after.open("token:a", &before.seal("token:a", "rt-1").unwrap()).unwrap(), "rt-1");
    }

    #[test]
    fn what_is_hidden_belongs_to_its_place() {
        let sealed = key().seal("token:quickbooks", "rt-1").unwrap();
        assert!(!sealed.contains("rt-1") && sealed != key().seal("token:quickbooks", "rt-1").unwrap());
        assert_eq!(key().open("token:quickbooks", &sealed).unwrap(), "rt-1");
        assert_eq!(key().open("token:netsuite", &sealed), Err(SealError::Opened));
        assert_eq!(Key::of([8; LENGTH]).open("token:quickbooks", &sealed), Err(SealError::Opened));
    }

    #[test]
    fn a_signature_is_checked_with_the_public_key_alone() {
        let (public_key, signature) = key().sign("text").unwrap();
        assert!(is_signed(&public_key, "text", &signature) && !is_signed(&public_key, "other", &signature));
        assert!(!is_signed(&Key::of([8; LENGTH]).sign("text").unwrap().0, "text", &signature));
        assert!(!is_signed("x", "text", &signature) && !is_signed(&public_key, "text", ""));
    }

    #[test]
    fn codes_are_of_their_parts_purpose_and_key() {
        let coder = key().coder(Purpose::Row).unwrap();
        let code = coder.code(&[b"a", b"b"]);
        assert!(coder.knows(&[b"a", b"b"], &code) && !coder.knows(&[b"ab", b""], &code));
        assert!(!coder.knows(&[b"a", b"b"], &code[..8]), "a part of a code is none");
        assert_ne!(key().coder(Purpose::Sum).unwrap().code(&[b"a", b"b"]), code);
        let (old, new) = ("07".repeat(32), "08".repeat(32));
        let after = Key::read(&new, &[old]).unwrap().coder(Purpose::Row).unwrap();
        assert!(after.knows(&[b"a", b"b"], &code) && after.code(&[b"a", b"b"]) != code);
    }

    proptest! {
        #[test]
        fn nothing_but_the_same_parts_for_the_same_purpose_is_attested(
            one in proptest::collection::vec(".{0,3}", 0..4),
            other in proptest::collection::vec(".{0,3}", 0..4),
        ) {
            let [a, b] = [&one, &other].map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
            let made = key().attest(Purpose::Row, &a);
            prop_assert_eq!(key().attests(Purpose::Row, &b, &made), one == other);
            prop_assert!(!key().attests(Purpose::Audit, &a, &made));
        }

        #[test]
        fn a_changed_seal_is_not_opened(text in ".{0,20}", flip in 0_usize..64) {
            let mut sealed = key().seal("p", &text).unwrap().into_bytes();
            let index = flip % sealed.len();
            sealed[index] ^= 1;
            if let Ok(changed) = String::from_utf8(sealed) {
                prop_assert_ne!(key().open("p", &changed), Ok(text));
            }
        }
    }
}
