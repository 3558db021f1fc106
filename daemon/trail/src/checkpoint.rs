//! Checkpoints: the head of the trail at a time, signed, made to be kept where nobody who can write the database can change it.

use std::fmt;
use std::str::FromStr;

use milestoned_seal::{Key, is_signed};

use crate::chain::Head;

/// A head that was kept outside, signed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The newest line.
    pub head: Head,
    /// Who says so, and when.
    pub signature: Option<Signature>,
}

/// Who says that a line was the newest, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// When, UTC.
    pub at: String,
    /// The key that shows who made it, hex.
    pub public_key: String,
    /// Ed25519 over the rest, hex.
    pub signature: String,
}

/// What stands in place of the hash of a trail that has no line yet.
const NONE: &str = "-";

/// What is signed.
fn signed_text(head: &Head, at: &str) -> String {
    format!("milestoned checkpoint\n{} {} {at}", head.seq, head.hash)
}

impl Checkpoint {
    /// Signs a head with the house's key; `None`: the machine cannot.
    pub fn sign(head: Head, at: String, key: &Key) -> Option<Self> {
        let (public_key, signature) = key.sign(&signed_text(&head, &at))?;
        Some(Self { head, signature: Some(Signature { at, public_key, signature }) })
    }

    /// What is wrong with its signature, which should be by one of these keys, or by any, where none is named; `None`: nothing.
    /// One without a signature is as good as where it was kept.
    pub fn flaw(&self, public_keys: &[String]) -> Option<&'static str> {
        let Signature { at, public_key: by, signature } = self.signature.as_ref()?;
        if !public_keys.is_empty() && !public_keys.contains(by) {
            return Some("it is signed by another key");
        }
        (!is_signed(by, &signed_text(&self.head, at), signature)).then_some("its signature does not fit")
    }
}

/// One line: number, hash, and, where it is signed, time, key and signature.
impl fmt::Display for Checkpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = if self.head.hash.is_empty() { NONE } else { &self.head.hash };
        write!(out, "{} {hash}", self.head.seq)?;
        match &self.signature {
            Some(Signature { at, public_key, signature }) => write!(out, " {at} {public_key} {signature}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Checkpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "not what `milestoned audit head` prints: a number and a hash, or these with a signature".to_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let head = |seq: &str, hash: &str| {
            let hash = if hash == NONE { "" } else { hash };
            Ok::<_, String>(Head { seq: seq.parse().map_err(|_| wrong())?, hash: hash.to_owned() })
        };
        match words.as_slice() {
            [seq, hash] => Ok(Self { head: head(seq, hash)?, signature: None }),
            [seq, hash, at, public_key, signature] => {
                let [at, public_key, signature] = [at, public_key, signature].map(|word| (*word).to_owned());
                Ok(Self { head: head(seq, hash)?, signature: Some(Signature { at, public_key, signature }) })
            }
            _ => Err(wrong()),
        }
    }
}

/// Checkpoints that stand in a text, one a line.
///
/// # Errors
/// The number of the line that is none, and why.
pub fn read(text: &str) -> Result<Vec<Checkpoint>, (usize, String)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| line.parse().map_err(|reason| (number, reason))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_of_its_head_time_and_key() {
        let (key, other) = (Key::of([7; 32]), Key::of([8; 32]));
        let head = Head { seq: 12, hash: "ab".into() };
        let made = Checkpoint::sign(head, "2026-03-02T10:00:00Z".into(), &key).unwrap();
        let read: Checkpoint = made.to_string().parse().unwrap();
        assert_eq!((&read, read.flaw(&[])), (&made, None));
        let by = [made.signature.clone().unwrap().public_key];
        assert_eq!(read.flaw(&by), None);
        let of_another = Checkpoint::sign(made.head.clone(), "t".into(), &other).unwrap();
        assert_eq!(of_another.flaw(&by), Some("it is signed by another key"));
        let edited: Checkpoint = made.to_string().replacen("12 ", "13 ", 1).parse().unwrap();
        assert_eq!(edited.flaw(&by), Some("its signature does not fit"));
        let unsigned: Checkpoint = "12 ab".parse().unwrap();
        assert_eq!(unsigned.flaw(&by), None);
        let empty = Checkpoint::sign(Head { seq: 0, hash: String::new() }, "t".into(), &key).unwrap();
        assert_eq!(empty.to_string().parse(), Ok(empty));
        assert!("12".parse::<Checkpoint>().is_err() && "x ab".parse::<Checkpoint>().is_err());
    }
}
