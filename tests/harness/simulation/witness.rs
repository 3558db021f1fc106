//! What passes over the lines, as the vendors see it: which records are read, and whether a write is sent again before
//! the vendor was asked what became of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// A slow commit is not seen earlier; `delivery.look_after`.
const SLOW: SignedDuration = SignedDuration::from_secs(30);

/// A request as the vendor gets it.
pub(super) struct Sent<'a> {
    /// Which daemon sends it: another one after each start.
    pub(super) sender: u64,
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) body: &'a str,
    pub(super) number: u64,
    pub(super) now: Timestamp,
}

/// How a request ended for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The vendor has done it.
    Done,
    /// The vendor has not done it.
    NotDone,
    /// Nothing was said, or that something broke.
    Nothing,
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// Number of the latest request by address.
    reads: BTreeMap<String, u64>,
    /// When a search of the project tool found something for a daemon, if that asked nothing of it since.
    searched: BTreeMap<u64, Timestamp>,
    /// Writes by the key or number that they bear, until the vendor says that it has not done them, or is asked: whoever
    /// hears that one was done may die before it is noted. Since when, where nothing was said.
    written: BTreeMap<String, Option<Timestamp>>,
    /// Daemons that were stopped within their turn, and go on with it: they write what they decided before, and nothing
    /// but the vendor's own key stands against that (docs/reliability.md). Their writes are not judged.
    late: BTreeSet<u64>,
    /// What such daemons have written: addresses, keys and numbers.
    wrote_late: BTreeSet<String>,
    /// What was wrong.
    pub(super) wrong: Option<String>,
}

impl Witness {
    /// A request is on its way.
    pub(super) fn sent(&mut self, sent: &Sent<'_>) {
        if self.late.contains(&sent.sender) {
            if matches!(sent.method, "POST" | "PUT") {
                self.wrote_late.extend(written(sent).into_iter().chain([sent.url.to_owned()]));
            }
            return;
        }
        for name in written(sent) {
            if self.written.insert(name.clone(), Some(sent.now)).is_some() {
                self.wrong.get_or_insert(format!("13: {name} is written again, and the vendor was not asked before"));
            }
        }
    }

    /// Its answer has come, and the sender lives to hear it.
    pub(super) fn answered(&mut self, sent: &Sent<'_>, told: Told, says: &str) {
        if told == Told::Nothing {
            return;
        }
        self.reads_of(sent, says);
        let late = self.late.contains(&sent.sender);
        for name in written(sent) {
            match told {
                // What it wrote before it was stopped is still there; what it writes now was never noted.
                Told::Done if late => continue,
                Told::Done => self.written.insert(name, None),
                Told::NotDone | Told::Nothing => self.written.remove(&name),
            };
        }
        if is_question(sent) && told == Told::Done {
            let (now, wrong) = (sent.now, &mut self.wrong);
            self.written.retain(|name, since| {
                if !sent.url.contains(name.as_str()) && !sent.body.contains(name.as_str()) {
                    return true;
                }
                let waited = since.map_or(SLOW, |since| now.duration_since(since));
                if waited < SLOW && !late {
                    wrong.get_or_insert(format!("13: the vendor was asked for {name} {waited:#} after it was written"));
                }
                false
            });
        }
    }

    /// Records are looked at one by one, or many at once; those that a search has just found belong to a poll.
    fn reads_of(&mut self, sent: &Sent<'_>, says: &str) {
        // An answer may come long after those of later requests.
        let mut read = |url: String| {
            let latest = self.reads.entry(url).or_default();
            *latest = sent.number.max(*latest);
        };
        if sent.method == "GET" {
            read(sent.url.to_owned());
        } else if sent.url.ends_with("/issue/bulkfetch") && self.searched.get(&sent.sender) != Some(&sent.now) {
            let ids =
                sent.body.split('"').filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
            ids.for_each(|id| read(format!("/issue/{id}?")));
        }
        if sent.url.contains("/rest/api/") {
            // A census searches too, without a time, and reads nothing of what it finds.
            let polls = sent.url.ends_with("/search/jql") && sent.body.contains("updated >=");
            // Of an answer that is cut off or garbled it reads nothing.
            let readable = || serde_json::from_str::<serde_json::Value>(says).is_ok();
            let found = polls && says.contains("\"id\":") && readable();
            match found {
                true => self.searched.insert(sent.sender, sent.now),
                false => self.searched.remove(&sent.sender),
            };
        }
    }

    /// A daemon goes on with a turn within which it was stopped; or that turn is over.
    pub(super) fn goes_on(&mut self, sender: u64, late: bool) {
        match late {
            true => self.late.insert(sender),
            false => self.late.remove(&sender),
        };
    }

    /// Whether a daemon that had been stopped wrote something whose address, key or number ends so.
    pub(super) fn was_written_late(&self, name: &str) -> bool {
        self.wrote_late.iter().any(|one| one.ends_with(name))
    }

    /// Whether something was read whose address contains `part`, after so many requests.
    pub(super) fn has_read(&self, part: &str, after: u64) -> bool {
        self.reads.iter().any(|(url, number)| *number >= after && url.contains(part))
    }
}

fn is_question(sent: &Sent<'_>) -> bool {
    sent.url.contains("/suiteql") || sent.url.contains("/query?")
}

/// Keys and numbers of the documents that a request writes.
fn written(sent: &Sent<'_>) -> Vec<String> {
    let erp = sent.url.contains("/services/rest/record/") || sent.url.contains("/v3/company/");
    if sent.method != "POST" || !erp || sent.url.contains("/salesOrder") {
        return Vec::new();
    }
    let mut names = Vec::new();
    for field in ["\"externalId\":\"", "\"DocNumber\":\""] {
        let found = sent.body.split(field).skip(1).filter_map(|rest| rest.split('"').next());
        names.extend(found.map(ToOwned::to_owned));
    }
    names
}
