//! The chain of lines: each is hashed over the one before it. What people wrote, and who they are, stands in it as a salted
//! digest: it can be removed later, and the chain still holds.

use serde::{Deserialize, Serialize};

use crate::digest;

/// What stands in place of actor and detail after they were removed.
pub const REDACTED: &str = "(removed)";
/// What a line about a redaction is called.
pub const REDACTION: &str = "audit lines redacted";
/// How it names the lines.
const LINES: &str = "lines ";

/// A line of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Place in the chain, from 1.
    pub seq: i64,
    /// When, UTC.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// Contract, where one is concerned.
    pub contract: Option<String>,
    /// What it was done to.
    pub subject: String,
    /// Details.
    pub detail: String,
    /// What makes the digest of actor and detail impossible to guess; gone once they were removed.
    pub salt: Option<String>,
    /// SHA-256 over salt, actor and detail, hex; absent in lines of before version 3 of the tables.
    pub personal: Option<String>,
    /// Rows that the line is about, each as `table:digest`; absent in lines that are about none.
    pub attests: Option<String>,
    /// SHA-256 over the previous line's hash and this line's fields, hex.
    pub hash: String,
}

/// The newest line of a chain. Kept outside of the database it tells whether lines were taken off or put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its place.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// Where a chain is broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// First line that cannot be trusted.
    pub seq: i64,
    /// What is wrong with it.
    pub what: String,
}

impl Break {
    fn at(seq: i64, what: &str) -> Self {
        Self { seq, what: what.into() }
    }
}

impl std::fmt::Display for Break {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the audit trail is broken at line {}: {}", self.seq, self.what)
    }
}

impl Line {
    /// What hides who did it and what they wrote.
    pub fn personal_digest(salt: &str, actor: &str, detail: &str) -> String {
        digest(&[salt, actor, detail])
    }

    /// Its hash after the line with hash `previous`.
    pub fn hash_after(&self, previous: &str) -> String {
        let seq = self.seq.to_string();
        // No contract and an empty one are two things.
        let contract = self.contract.as_ref().map(|contract| format!("={contract}"));
        let contract = contract.as_deref().unwrap_or("");
        match (&self.personal, &self.attests) {
            (Some(personal), Some(attests)) => {
                digest(&["3", previous, &seq, &self.at, &self.action, contract, &self.subject, personal, attests])
            }
            (Some(personal), None) => {
                digest(&["2", previous, &seq, &self.at, &self.action, contract, &self.subject, personal])
            }
            (None, _) => {
                let contract = self.contract.as_deref().unwrap_or("");
                digest(&[previous, &seq, &self.at, &self.actor, &self.action, contract, &self.subject, &self.detail])
            }
        }
    }

    /// What is wrong with it after `before`; `None`: nothing.
    fn flaw(&self, before: &Head) -> Option<&'static str> {
        if self.seq != before.seq.saturating_add(1) {
            return Some("a line before it is missing, or it was put in");
        }
        if self.hash_after(&before.hash) != self.hash {
            return Some("it, or the line before it, was edited");
        }
        match (&self.salt, &self.personal) {
            (Some(salt), Some(personal)) if Self::personal_digest(salt, &self.actor, &self.detail) != *personal => {
                Some("who did it, or the detail, was edited")
            }
            (None, Some(_)) if self.actor != REDACTED || self.detail != REDACTED => {
                Some("its detail was removed, and something else stands in its place")
            }
            (Some(_), None) => Some("the digest of its detail was removed"),
            (None, None) if self.attests.is_some() => Some("it is of a time when lines were about no rows"),
            _ => None,
        }
    }
}

/// A walk along a chain.
#[derive(Debug)]
pub struct Walk<'a> {
    kept: &'a [Head],
    head: Head,
    redacted: Vec<i64>,
    told: Told,
    broken: Option<Break>,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// The last line that follows from the one before.
    pub head: Head,
    /// Lines whose actor and detail were removed.
    pub redacted: i64,
    /// What is wrong; `None`: nothing.
    pub broken: Option<Break>,
}

impl<'a> Walk<'a> {
    /// Begins before the first line; the chain is compared with heads that were kept outside.
    pub fn begin(kept: &'a [Head]) -> Self {
        let head = Head { seq: 0, hash: String::new() };
        Self { kept, head, redacted: Vec::new(), told: Told::default(), broken: None }
    }

    /// The next line.
    pub fn step(&mut self, line: &Line) {
        if self.broken.is_some() {
            return;
        }
        if let Some(what) = line.flaw(&self.head) {
            self.broken = Some(Break::at(line.seq, what));
            return;
        }
        if self.kept.iter().any(|kept| kept.seq == line.seq && kept.hash != line.hash) {
            self.broken = Some(Break::at(line.seq, "it is not the line whose hash was kept outside"));
            return;
        }
        if line.salt.is_none() && line.personal.is_some() {
            self.redacted.push(line.seq);
        }
        if line.action == REDACTION {
            self.told.hear(&line.subject);
        }
        self.head = Head { seq: line.seq, hash: line.hash.clone() };
    }

    /// The end, where `stored` is what the head says.
    pub fn end(self, stored: Option<&Head>) -> Walked {
        let Self { kept, head, redacted, told, mut broken } = self;
        if broken.is_none() && stored != Some(&head) {
            let seq = stored.map_or(head.seq, |stored| stored.seq.max(head.seq));
            let what = "the newest line is not the one that was appended last: lines were taken off or put on";
            broken = Some(Break::at(seq, what));
        }
        if let Some(beyond) = kept.iter().map(|kept| kept.seq).filter(|seq| *seq > head.seq).max()
            && broken.is_none()
        {
            broken = Some(Break::at(beyond, "it was kept outside, and the chain ends before it"));
        }
        if let (Some(seq), None) = (told.untold(&redacted), &broken) {
            let what = "who did it and what they wrote was removed, and no line says that it was";
            broken = Some(Break::at(seq, what));
        }
        Walked { head, redacted: i64::try_from(redacted.len()).unwrap_or(i64::MAX), broken }
    }
}

/// What lines about redactions say was removed.
#[derive(Debug, Default)]
struct Told {
    /// First and last line of each run.
    runs: Vec<(i64, i64)>,
    /// Lines that are told by their number alone, as in versions before 6 of the tables.
    count: usize,
}

impl Told {
    fn hear(&mut self, subject: &str) {
        match subject.strip_prefix(LINES) {
            Some(runs) => self.runs.extend(runs.split(", ").filter_map(|run| {
                let (first, last) = run.split_once('-').unwrap_or((run, run));
                Some((first.parse().ok()?, last.parse().ok()?))
            })),
            None => self.count = self.count.saturating_add(subject.parse().unwrap_or(0)),
        }
    }

    /// The first redacted line of which nobody told.
    fn untold(&self, redacted: &[i64]) -> Option<i64> {
        let told = |seq: i64| self.runs.iter().any(|(first, last)| (*first..=*last).contains(&seq));
        redacted.iter().copied().filter(|seq| !told(*seq)).nth(self.count)
    }
}

/// Runs of lines, as the line about their redaction names them.
pub fn runs(mut lines: Vec<i64>) -> String {
    lines.sort_unstable();
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((_, last)) if last.saturating_add(1) == line => *last = line,
            _ => runs.push((line, line)),
        }
    }
    let run = |(first, last): &(i64, i64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    format!("{LINES}{}", runs.iter().map(run).collect::<Vec<_>>().join(", "))
}
