//! Tokens of programs. The configuration has their digests, or says where the token is; the token itself is shown once, when
//! it is made.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rand::Rng;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::rights::Rights;
use crate::secret;

/// How a token begins, so that scanners of repositories recognise one.
pub const PREFIX: &str = "mst_";
/// Fewest characters of a token: 128 bits in base64.
const LEAST: usize = 22;
/// The same where all characters are hexadecimal digits.
const LEAST_HEX: usize = 32;
/// Drawn at random, so many characters have more different ones than this.
const FEW: usize = 8;
/// Names that stand for the daemon itself in the audit trail.
pub const RESERVED: [&str; 6] = ["api", "configuration", "contract folder", "milestoned", "nobody", "system"];

/// `[[http.tokens]]`: a program that may use the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Who it is; stands in the audit trail.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// SHA-256 digests of its tokens, in hexadecimal: two while one is exchanged for the other.
    #[serde(default)]
    pub sha256: Vec<String>,
    /// The token itself, from where it is kept.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// The last day on which it is taken, UTC; absent: until it is removed.
    #[serde(default)]
    pub expires_on: Option<Date>,
    /// Ids of the contracts that it is restricted to, filed or not; absent with `customers` too: to none.
    #[serde(default)]
    pub contracts: Option<Vec<String>>,
    /// Customers, as contracts were filed for them, to whose contracts it is restricted, beside `contracts`.
    #[serde(default)]
    pub customers: Option<Vec<String>>,
}

/// What is wrong with a token's entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It could be guessed.
    #[error("the token has {0} characters, {1} different ones: it can be guessed")]
    Guessable(usize, usize),
    /// Not a digest.
    #[error("{0:?} is no SHA-256 digest: 64 hexadecimal digits are due")]
    Digest(String),
    /// Neither.
    #[error("has neither sha256 nor token")]
    Nothing,
    /// The name stands for somebody else.
    #[error("the name is the daemon's own in the audit trail")]
    Reserved,
    /// No name.
    #[error("the name is empty or cannot be printed")]
    Nameless,
    /// It may do nothing.
    #[error("rights is empty: it could do nothing")]
    Rightless,
    /// It is restricted to what cannot be a contract or a customer.
    #[error("{0} {1}")]
    Scope(&'static str, &'static str),
    /// Two entries have one name, or one token.
    #[error("another entry has {0}")]
    Twice(String),
}

impl Unfit {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Guessable(..) | Self::Nothing | Self::Digest(_) => {
                "draw one with `milestoned token new`, and write its sha256 here"
            }
            Self::Reserved => "choose another name",
            Self::Nameless => "name the program that has the token",
            Self::Scope(..) => "name each contract or customer once, as it is filed, or leave the key out",
            Self::Rightless => "list what it may do, such as [\"view\"]",
            Self::Twice(_) => "give each entry a name and a token of its own",
        }
    }
}

/// What is wrong with tokens, by their place in the list. Without `secrets` the tokens themselves are not at hand.
pub fn unfit(machines: &[Machine], secrets: bool) -> Vec<(usize, Unfit)> {
    let mut found = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let mut digests = std::collections::BTreeSet::new();
    for (index, machine) in machines.iter().enumerate() {
        let mut tell = |unfit| found.push((index, unfit));
        let name = machine.name.trim().to_lowercase();
        if name.is_empty() || machine.name.chars().any(char::is_control) {
            tell(Unfit::Nameless);
        } else if RESERVED.contains(&name.as_str()) {
            tell(Unfit::Reserved);
        } else if !names.insert(name) {
            tell(Unfit::Twice("the same name".into()));
        }
        if machine.rights.is_empty() {
            tell(Unfit::Rightless);
        }
        for (key, names) in [("contracts", &machine.contracts), ("customers", &machine.customers)] {
            if let Some(reason) = names.as_deref().and_then(not_names) {
                tell(Unfit::Scope(key, reason));
            }
        }
        if machine.sha256.is_empty() && machine.token.is_none() {
            tell(Unfit::Nothing);
        }
        for digest in &machine.sha256 {
            if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                tell(Unfit::Digest(digest.clone()));
            }
        }
        if !secrets {
            continue;
        }
        if let Some((length, different)) = machine.token.as_ref().and_then(|token| guessable(token.expose_secret())) {
            tell(Unfit::Guessable(length, different));
        }
        for digest in machine.digests() {
            if !digests.insert(digest) {
                tell(Unfit::Twice("the same token".into()));
            }
        }
    }
    found
}

/// Why a list cannot say to what a token is restricted.
fn not_names(names: &[String]) -> Option<&'static str> {
    let different: std::collections::BTreeSet<&String> = names.iter().collect();
    if names.is_empty() {
        Some("is empty: the token would reach nothing")
    } else if names.iter().any(|name| name.trim() != name || name.is_empty() || name.chars().any(char::is_control)) {
        Some("has a name that is empty, begins or ends with a space, or cannot be printed")
    } else if different.len() < names.len() {
        Some("has a name twice")
    } else {
        None
    }
}

/// How many characters, and how many different ones, where those are too few.
fn guessable(token: &str) -> Option<(usize, usize)> {
    let (length, different) = (token.chars().count(), token.chars().collect::<std::collections::BTreeSet<_>>().len());
    let hex = token.chars().all(|character| character.is_ascii_hexdigit());
    (length < if hex { LEAST_HEX } else { LEAST } || different <= FEW).then_some((length, different))
}

impl Machine {
    /// The digests under which it is known.
    fn digests(&self) -> impl Iterator<Item = String> + '_ {
        let held = self.token.iter().map(|token| secret::digest(token.expose_secret()));
        self.sha256.iter().map(|digest| digest.to_ascii_lowercase()).chain(held)
    }

    /// Whether it is restricted to some contracts or customers.
    pub fn is_restricted(&self) -> bool {
        self.contracts.is_some() || self.customers.is_some()
    }

    /// Whether it is taken at `now`.
    pub fn lasts(&self, now: Timestamp) -> bool {
        self.expires_on.is_none_or(|last| now.to_zoned(TimeZone::UTC).date() <= last)
    }
}

/// Tokens by digest, so that a request costs one digest.
#[derive(Debug, Clone, Default)]
pub struct Machines {
    known: Vec<(String, Machine)>,
}

impl Machines {
    /// Those of the configuration.
    pub fn new(machines: &[Machine]) -> Self {
        let known = machines.iter().flat_map(|machine| machine.digests().map(|digest| (digest, machine.clone())));
        Self { known: known.collect() }
    }

    /// Whose token it is. All are compared, each in constant time; one that is over, too short or unknown is nobody's.
    pub fn owner(&self, presented: &str, now: Timestamp) -> Option<&Machine> {
        let digest = secret::digest(presented);
        let owner = self.known.iter().fold(
            None,
            |found, (known, machine)| {
                if secret::same(known, &digest) { Some(machine) } else { found }
            },
        );
        owner.filter(|machine| presented.len() >= LEAST && machine.lasts(now))
    }
}

/// A fresh token, and the digest that stands in the configuration.
pub fn fresh(random: &mut impl Rng) -> (String, String) {
    let token = format!("{PREFIX}{}", secret::fresh(random));
    let digest = secret::digest(&token);
    (token, digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Right;

    fn machine(name: &str, token: &str) -> Machine {
        Machine {
            name: name.into(),
            rights: [Right::View].into_iter().collect(),
            sha256: Vec::new(),
            token: Some(token.to_owned().into()),
            expires_on: None,
            contracts: None,
            customers: None,
        }
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_two_overlap() {
        let mut random = rand::rng();
        let ((old, old_digest), (new, new_digest)) = (fresh(&mut random), fresh(&mut random));
        let entry = Machine { token: None, sha256: vec![old_digest, new_digest], ..machine("erp", "") };
        assert_eq!(unfit(std::slice::from_ref(&entry), true), []);
        let (machines, now) = (Machines::new(&[entry]), Timestamp::UNIX_EPOCH);
        for token in [&old, &new] {
            assert_eq!(machines.owner(token, now).map(|machine| machine.name.as_str()), Some("erp"));
        }
        assert!(machines.owner(&old[1..], now).is_none() && machines.owner("", now).is_none());
    }

    #[test]
    fn a_token_ends_with_its_last_day() {
        let entry =
            Machine { expires_on: Some("2026-11-30".parse().unwrap()), ..machine("erp", "0123456789012345678901") };
        let machines = Machines::new(&[entry]);
        let owner = |now: &str| machines.owner("0123456789012345678901", now.parse().unwrap()).is_some();
        assert!(owner("2026-11-30T23:59:59Z") && !owner("2026-12-01T00:00:00Z"));
    }

    #[test]
    fn what_could_be_guessed_or_mistaken_is_refused() {
        let long = "token-0123456789abcdef";
        let said = |machines: &[Machine]| unfit(machines, true).into_iter().map(|(_, unfit)| unfit).collect::<Vec<_>>();
        assert_eq!(said(&[machine("a", "")]), [Unfit::Guessable(0, 0)]);
        assert_eq!(said(&[machine("a", "x")]), [Unfit::Guessable(1, 1)]);
        assert_eq!(said(&[machine("Milestoned", long)]), [Unfit::Reserved]);
        assert_eq!(said(&[machine(" ", long)]), [Unfit::Nameless]);
        assert_eq!(said(&[machine("a", &"ab".repeat(20))]), [Unfit::Guessable(40, 2)]);
        assert_eq!(said(&[machine("a", "0123456789abcdef01234567")]), [Unfit::Guessable(24, 16)], "96 bits");
        let twice = [machine("a", long), machine("A", "other-0123456789abcdef")];
        assert_eq!(said(&twice), [Unfit::Twice("the same name".into())]);
        assert_eq!(said(&[machine("a", long), machine("b", long)]), [Unfit::Twice("the same token".into())]);
        assert_eq!(said(&[Machine { token: None, ..machine("a", "") }]), [Unfit::Nothing]);
        let digest = Machine { token: None, sha256: vec!["abc".into()], ..machine("a", "") };
        assert_eq!(said(&[digest]), [Unfit::Digest("abc".into())]);
        let nothing = Machine { rights: Rights::default(), ..machine("a", long) };
        assert_eq!(said(&[nothing]), [Unfit::Rightless]);
        for names in [&[][..], &[" S1"], &[""], &["S1", "S1"], &["S\n1"]] {
            let names = Some(names.iter().map(|name| (*name).to_owned()).collect());
            let scoped = Machine { contracts: names.clone(), customers: names, ..machine("a", long) };
            assert!(matches!(said(&[scoped])[..], [Unfit::Scope("contracts", _), Unfit::Scope("customers", _)]));
        }
    }

    #[test]
    fn an_empty_token_of_the_configuration_opens_nothing() {
        let machines = Machines::new(&[machine("a", "")]);
        assert!(machines.owner("", Timestamp::UNIX_EPOCH).is_none());
    }
}
