//! Acts: what a person does about what waits. Every face (pages, API, command line) parses, calls [`act`] and shows what it
//! gives; this is the only place that checks an act and writes it.

mod contract;
mod customers;
mod delivery;
mod duties;
mod orders;
mod periods;

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use milestoned_mapping::contract::Code;
use milestoned_mapping::fact::Shown;
use milestoned_mapping::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use contract::named;
pub use customers::choose_customer;
pub use periods::close_dates;

pub use super::verb::{Verb, offered};

use super::queue::{Filter, queue};
use super::subject::Subject;
use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::action::Action;
use crate::store::actor::Actor;
use crate::store::audit::Entry;
use crate::store::parked::Handle;
use crate::store::pauses::Scope;
use crate::store::review::Change;

/// An act with what it needs beside its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Approve what was shown.
    Approve {
        /// What the reviewer was shown.
        shown: Option<Shown>,
    },
    /// Give it to somebody to look after; to nobody.
    Assign {
        /// To whom.
        to: Option<String>,
    },
    /// Close it: it is settled otherwise.
    Close,
    /// A delivery was done by hand, in the remote.
    Done {
        /// The remote's id of what was done.
        remote_id: String,
    },
    /// A delivery is not to be made any more.
    GiveUp,
    /// Nothing of a milestone is to be invoiced.
    Hold,
    /// Write something down about it: the reason.
    Note,
    /// Close an exception or a drift.
    Overrule {
        /// Until when; an exception opens again then if its condition lasts.
        until: Option<Date>,
    },
    /// Halt a contract, a customer or a connection.
    Pause,
    /// Let a delivery go on.
    Release,
    /// Read a record again.
    Replay,
    /// Let go on what was halted.
    Resume,
    /// Nobody is reminded before a date; from now on again.
    Snooze {
        /// Until when.
        until: Option<Date>,
    },
    /// Take back an acceptance that a rejection in time contradicts.
    Undo,
}

/// What may come with the name of an act, from a form, a call or a workbook. Each act takes what it needs of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Given {
    /// What the reviewer was shown.
    pub shown: Option<Shown>,
    /// To whom; nobody in particular where it is empty.
    pub to: Option<String>,
    /// Until when.
    pub until: Option<Date>,
    /// The remote's id of what was done by hand.
    pub remote_id: String,
}

impl Given {
    /// What a form says beside what every act needs. A field that is empty says nothing; what was shown is JSON in a text.
    ///
    /// # Errors
    /// A field is not what it should be.
    pub fn of_form(fields: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let remedy = "load the page again and fill the form in anew";
        let mut given = serde_json::Map::new();
        for (name, text) in fields.iter().map(|(name, text)| (name, text.trim())).filter(|(_, text)| !text.is_empty()) {
            let value = match name.as_str() {
                "shown" => serde_json::from_str(text).map_err(|error| Problem::new(name, error.to_string(), remedy))?,
                _ => text.into(),
            };
            given.insert(name.clone(), value);
        }
        serde_path_to_error::deserialize(serde_json::Value::Object(given))
            .map_err(|error| Problem::new(error.path().to_string(), error.inner().to_string(), remedy))
    }
}

impl Act {
    /// The act of a name: the one place in which an act is made of what people say.
    pub fn of(verb: Verb, given: Given) -> Self {
        match verb {
            Verb::Approve => Self::Approve { shown: given.shown },
            Verb::Assign => Self::Assign { to: given.to.filter(|to| !to.trim().is_empty()) },
            Verb::Close => Self::Close,
            Verb::Done => Self::Done { remote_id: given.remote_id },
            Verb::GiveUp => Self::GiveUp,
            Verb::Hold => Self::Hold,
            Verb::Note => Self::Note,
            Verb::Overrule => Self::Overrule { until: given.until },
            Verb::Pause => Self::Pause,
            Verb::Release => Self::Release,
            Verb::Replay => Self::Replay,
            Verb::Resume => Self::Resume,
            Verb::Snooze => Self::Snooze { until: given.until },
            Verb::Undo => Self::Undo,
        }
    }

    /// Its name.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Approve { .. } => Verb::Approve,
            Self::Assign { .. } => Verb::Assign,
            Self::Close => Verb::Close,
            Self::Done { .. } => Verb::Done,
            Self::GiveUp => Verb::GiveUp,
            Self::Hold => Verb::Hold,
            Self::Note => Verb::Note,
            Self::Overrule { .. } => Verb::Overrule,
            Self::Pause => Verb::Pause,
            Self::Release => Verb::Release,
            Self::Replay => Verb::Replay,
            Self::Resume => Verb::Resume,
            Self::Snooze { .. } => Verb::Snooze,
            Self::Undo => Verb::Undo,
        }
    }
}

/// Where a person's word came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The API.
    Api,
    /// A page.
    Page,
    /// A workbook that somebody brought.
    Workbook,
}

impl fmt::Display for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Api => "API",
            Self::Page => "page",
            Self::Workbook => "workbook",
        })
    }
}

/// Who acts, why, and where that was said.
#[derive(Debug, Clone)]
pub struct Word {
    by: String,
    reason: String,
    channel: Channel,
}

impl Word {
    /// A person's word for an act.
    ///
    /// # Errors
    /// Nobody is named, or there is no reason where one is due.
    pub fn new(by: &str, reason: &str, channel: Channel, verb: Verb) -> Result<Self, Refused> {
        let (by, reason) = (by.trim(), reason.trim());
        if by.is_empty() {
            return Err(Refused::Invalid(Problem::new("by", "nobody is named", "say who decides")));
        }
        if reason.is_empty() && !verb.needs_no_reason() {
            let remedy = "say why: it stands in the audit trail";
            return Err(Refused::Invalid(Problem::new("reason", "is empty", remedy)));
        }
        Ok(Self { by: by.into(), reason: reason.into(), channel })
    }

    /// Who says it, as the audit trail names them.
    pub fn actor(&self) -> Actor {
        Actor::from(&self.by)
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Words of an act with its reason and where it was said, for the audit trail.
    fn says(&self, what: impl fmt::Display) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{what}{reason} (by {})", self.channel)
    }
}

/// What an act came to, in words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Done {
    /// What it was about.
    #[schema(value_type = String)]
    pub subject: Subject,
    /// The act.
    pub act: Verb,
    /// What follows.
    pub text: String,
}

/// Why an act was not taken; nothing was written.
#[derive(Debug)]
pub enum Refused {
    /// What was shown is not what stands there now, or the remote says otherwise.
    Contradicted(Problem),
    /// This person may not decide it, whatever their rights: somebody else has to.
    Excluded(Problem),
    /// The act does not make sense as it was given.
    Invalid(Problem),
    /// Nothing of this name waits, or is known.
    Missing(Problem),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contradicted(problem) | Self::Excluded(problem) | Self::Invalid(problem) | Self::Missing(problem) => {
                write!(out, "{problem}")
            }
            Self::Store(error) => write!(out, "{error}"),
        }
    }
}

/// Checks an act, writes it, and lets the engine decide what follows.
///
/// # Errors
/// Why it was not taken; nothing was written.
pub async fn act(env: &Environment, subject: &Subject, act: Act, word: Word) -> Result<Done, Refused> {
    let verb = act.verb();
    let text = loop {
        match taken(env, subject, act.clone(), &word).await {
            // Nothing was written: another person let something go meanwhile, which counts with it, and it is judged again.
            Err(Refused::Store(StoreError::Overtaken)) => {}
            taken => break taken?,
        }
    };
    env.wake_ups.send_all();
    Ok(Done { subject: subject.clone(), act: verb, text })
}

async fn taken(env: &Environment, subject: &Subject, act: Act, word: &Word) -> Result<String, Refused> {
    let verb = act.verb();
    Ok(match (subject, act) {
        (
            Subject::Approval { contract: id, milestone }
            | Subject::Exception {
                contract: id,
                code: Code::HeldByReviewer | Code::InvoiceWithdrawn,
                milestone: Some(milestone),
                ..
            },
            Act::Approve { shown },
        ) => contract::approve(env, id, milestone, shown, word).await?,
        (
            Subject::Exception { contract: id, code: Code::RejectedInTime, milestone: Some(milestone), .. },
            Act::Undo,
        ) => contract::undo(env, id, milestone, word).await?,
        (Subject::ChangeOrder { contract: id, key }, Act::Approve { shown: None }) => {
            orders::approve(env, id, key, word).await?
        }
        (Subject::ChangeOrder { contract: id, key }, Act::Close) => orders::refuse(env, id, key, word).await?,
        (Subject::Approval { contract: id, milestone }, Act::Hold) => contract::hold(env, id, milestone, word).await?,
        (Subject::Exception { contract: id, code, milestone, leg }, Act::Overrule { until }) => {
            contract::overrule(env, id, *code, milestone.as_deref(), *leg, until, word).await?
        }
        (Subject::Drift { contract: id, kind, subject }, Act::Overrule { until: None }) => {
            contract::close_drift(env, id, *kind, subject, word).await?
        }
        (Subject::Customer { erp, name }, Act::Approve { shown: None }) => {
            customers::approve_choice(env, erp, name, word).await?
        }
        (Subject::Customer { erp, name }, Act::Close) => customers::drop_choice(env, erp, name, word).await?,
        (Subject::Delivery(key), Act::Release) => delivery::release(env, key, word).await?,
        (Subject::Delivery(key), Act::GiveUp) => delivery::give_up(env, key, word).await?,
        (Subject::Delivery(key), Act::Done { remote_id }) => delivery::done_by_hand(env, key, &remote_id, word).await?,
        (Subject::Record(row), Act::Replay) => replay(env, subject, *row, word).await?,
        (Subject::Record(row), Act::Close) => close(env, subject, Handle::Record(*row), word).await?,
        (Subject::Fact(row), Act::Close) => close(env, subject, Handle::Fact(*row), word).await?,
        (Subject::File(path), Act::Close) => close(env, subject, Handle::File(path.clone()), word).await?,
        (Subject::Unseen(key), Act::Close) => close(env, subject, Handle::Unseen(key.clone()), word).await?,
        (Subject::Pause { scope, name }, Act::Pause) => pause(env, *scope, name, word).await?,
        (Subject::Pause { scope, name }, Act::Resume) => resume(env, *scope, name, word).await?,
        (_, Act::Assign { to }) => mark(env, subject, Change::Assign(to), word).await?,
        (_, Act::Snooze { until }) => mark(env, subject, Change::Snooze(until), word).await?,
        (_, Act::Note) => mark(env, subject, Change::Note(word.reason.clone()), word).await?,
        _ => {
            let names: Vec<&str> = offered(subject).into_iter().map(Verb::name).collect();
            let remedy = format!("one of {}, assign, snooze, note", names.join(", "));
            let reason = format!("{} does not apply to {subject}", verb.name());
            return Err(Refused::Invalid(Problem::new("act", reason, remedy)));
        }
    })
}

fn missing(what: impl fmt::Display) -> Refused {
    Refused::Missing(Problem::new(
        "subject",
        format!("nothing that waits is called {what}"),
        "`milestoned status` and GET /v1/queue show what does",
    ))
}

/// Closes what is settled otherwise.
async fn close(env: &Environment, subject: &Subject, handle: Handle, word: &Word) -> Result<String, Refused> {
    let (by, why) = (word.actor(), word.says("closed"));
    if !env.store.close_parked(handle, by, why, env.clock.now()).await? {
        return Err(missing(subject));
    }
    Ok("closed; the reason stands in the audit trail".into())
}

/// Reads a record again that could not be understood.
async fn replay(env: &Environment, subject: &Subject, row: i64, word: &Word) -> Result<String, Refused> {
    if env.store.replay_parked(Some(row), word.actor(), env.clock.now()).await? == 0 {
        return Err(missing(subject));
    }
    Ok("it is read again".into())
}

async fn pause(env: &Environment, scope: Scope, name: &str, word: &Word) -> Result<String, Refused> {
    let there = match scope {
        Scope::Contract => env.store.contract(name.to_owned()).await?.is_some(),
        Scope::Customer => !env.store.contracts_with_customer(name.to_owned()).await?.is_empty(),
        Scope::Target => env.registry.get(name).is_some(),
    };
    if !there {
        // A pause of something that is not there would halt nothing, unnoticed.
        let reason = format!("no {} is called {name:?}", scope.name());
        return Err(Refused::Missing(Problem::new(
            "name",
            reason,
            "write the name as the contract or configuration has it",
        )));
    }
    let (by, why) = (word.actor(), word.says("paused"));
    let new = env.store.pause(scope, name.to_owned(), by, why, env.clock.now()).await?;
    Ok(if new { "paused" } else { "was paused already" }.into())
}

async fn resume(env: &Environment, scope: Scope, name: &str, word: &Word) -> Result<String, Refused> {
    if !env.store.resume(scope, name.to_owned(), word.actor(), word.says("resumed"), env.clock.now()).await? {
        return Err(missing(Subject::Pause { scope, name: name.into() }));
    }
    Ok("goes on: what is due is decided and delivered now".into())
}

/// Says something about a thing that waits.
async fn mark(env: &Environment, subject: &Subject, change: Change, word: &Word) -> Result<String, Refused> {
    let filter = Filter { subject: Some(subject.clone()), ..Filter::default() };
    let item = queue(env, &filter).await?.into_iter().next().ok_or_else(|| missing(subject))?;
    if let (Change::Assign(Some(to)), Some(mail)) = (&change, &env.settings.mail)
        && to.contains('@')
        && let Err(problem) = mail.takes(to)
    {
        // Who looks after something is mailed what it is about.
        return Err(Refused::Invalid(Problem { place: "to".into(), ..problem }));
    }
    let (action, text) = match &change {
        Change::Assign(Some(to)) => (Action::ItemAssigned, format!("{to} looks after it")),
        Change::Assign(None) => (Action::ItemAssigned, "nobody in particular looks after it".to_owned()),
        Change::Snooze(Some(until)) => (Action::ItemSnoozed, format!("nobody is reminded of it before {until}")),
        Change::Snooze(None) => (Action::ItemSnoozed, "people are reminded of it again".to_owned()),
        Change::Note(_) => (Action::ItemNoted, "noted".to_owned()),
    };
    let line = Entry::by(&word.actor(), action, item.contract.as_deref(), subject.to_string(), word.says(&text));
    env.store.say_of(subject.to_string(), change, line, env.clock.now()).await?;
    Ok(text)
}
