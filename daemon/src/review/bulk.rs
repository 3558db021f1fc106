//! One act about many things: one by one, in order, each by the same [`acts::act`] that a single act goes through, and with a
//! result of its own. What has changed since it was shown is left alone, and said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milestoned_mapping::command::DeliveryKey;

use super::acts::{self, Act, Given, Refused, Verb, Word};
use super::entry::Entry;
use super::item::Item;
use super::queue::whole;
use super::subject::Subject;
use crate::environment::Environment;
use crate::store::StoreError;

/// Things that one act may be about.
pub const AT_MOST: usize = 500;

/// One thing as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub subject: Subject,
    /// What was shown of it, as [`stamp`] has it.
    pub stamp: String,
}

impl Row {
    /// Reads `STAMP:SUBJECT`, as forms carry it.
    pub fn read(text: &str) -> Option<Self> {
        let (stamp, subject) = text.split_once(':')?;
        Some(Self { subject: subject.parse().ok()?, stamp: stamp.into() })
    }

    /// As forms carry it.
    pub fn of(item: &Item) -> String {
        format!("{}:{}", stamp(item), item.subject)
    }
}

/// A short digest of what is shown of an item: of what an approval would be, of the values that differ, of the amount.
pub fn stamp(item: &Item) -> String {
    let values: Vec<String> = item.values.iter().map(ToString::to_string).collect();
    let held = item.held.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut digest =
        DeliveryKey::of(&[&item.shown_text(), &values.join("\n"), &held, &item.problem.reason]).to_string();
    digest.truncate(16);
    digest
}

/// An act that can be about many things at once, each as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The act's name.
    pub verb: Verb,
    /// What comes with it, the same for each.
    pub given: Given,
}

impl Shared {
    /// Whether an act can be about many things: what names one record, or has to be read and confirmed for each, cannot.
    pub fn is_possible(verb: Verb) -> bool {
        !matches!(verb, Verb::Done | Verb::GiveUp | Verb::Pause)
    }

    fn of(&self, item: &Item) -> Act {
        // A drift is closed for good: only an exception has a date on which it opens again.
        let lasts = self.verb != Verb::Overrule || item.kind == "exception";
        let until = self.given.until.filter(|_| lasts);
        Act::of(self.verb, Given { shown: item.shown.clone(), until, ..self.given.clone() })
    }
}

/// Why an act cannot be about an item; none: it can.
pub fn not_eligible(item: Option<&Item>, verb: Verb, stamp_shown: &str) -> Option<String> {
    let Some(item) = item else { return Some("it does not wait any more".into()) };
    let everywhere = matches!(verb, Verb::Assign | Verb::Note | Verb::Snooze);
    if !everywhere && !item.acts.contains(&verb) {
        return Some(format!("{} does not apply to it", verb.button()));
    }
    let of_what_was_shown = matches!(verb, Verb::Approve | Verb::Overrule | Verb::Undo);
    (of_what_was_shown && stamp(item) != stamp_shown)
        .then(|| "it is not what was shown any more: look at it again".to_owned())
}

/// What an act came to for one thing.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which.
    pub subject: Subject,
    /// The thing as it stood when the act began.
    pub item: Option<Arc<Item>>,
    /// What followed, or why nothing was done.
    pub outcome: Result<String, String>,
}

/// Does one act about many things, one after another.
///
/// # Errors
/// The store failed; what was done before that is done.
pub async fn act(
    env: &Environment,
    items: &[Arc<Entry>],
    rows: &[Row],
    shared: &Shared,
    word: &Word,
) -> Result<Vec<Told>, StoreError> {
    let wanted: BTreeSet<&Subject> = rows.iter().map(|row| &row.subject).collect();
    let known: Vec<Arc<Entry>> = items.iter().filter(|item| wanted.contains(&item.subject)).cloned().collect();
    let known: BTreeMap<Subject, Arc<Item>> =
        whole(env, &known).await?.into_iter().map(|item| (item.subject.clone(), item)).collect();
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        let item = known.get(&row.subject).cloned();
        let refused = not_eligible(item.as_deref(), shared.verb, &row.stamp);
        let outcome = match (&item, refused) {
            (Some(item), None) => match acts::act(env, &row.subject, shared.of(item), word.clone()).await {
                Ok(done) => Ok(done.text),
                Err(Refused::Store(error)) => return Err(error),
                Err(refused) => Err(refused.to_string()),
            },
            (_, reason) => Err(reason.unwrap_or_default()),
        };
        told.push(Told { subject: row.subject.clone(), item, outcome });
    }
    Ok(told)
}
