//! What waited for a person and waits no more: what it was, since when it is over, and who ended it. Links in old mails lead here.

use jiff::civil::Date;

use super::case::history;
use super::item::Amount;
use super::queue::{meaning, reason};
use super::subject::Subject;
use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::action::Action;
use crate::store::audit::AuditLine;

/// Something that waits no more.
#[derive(Debug, Clone)]
pub struct Closed {
    /// How it was named while it waited.
    pub subject: Subject,
    /// What it was.
    pub title: String,
    /// Code of an exception, or kind of a drift.
    pub code: Option<String>,
    /// Contract.
    pub contract: Option<String>,
    /// Milestone.
    pub milestone: Option<String>,
    /// What was wrong, with the values that differed; empty: the history alone says it.
    pub was: String,
    /// What it held back.
    pub held: Option<Amount>,
    /// When it was opened, and when it was closed, in the contract's time zone.
    pub dates: Option<(Date, Date)>,
    /// The line of the trail that ended it.
    pub ended: Option<AuditLine>,
    /// Lines of the trail that concern it, newest first.
    pub history: Vec<AuditLine>,
}

/// Words of the trail that end what is named so, a person's own word before what followed from it.
fn ends(subject: &Subject) -> &'static [Action] {
    match subject {
        Subject::Approval { .. } => &[Action::MilestoneApproved, Action::MilestoneHeld],
        Subject::ChangeOrder { .. } => &[Action::ChangeOrderApproved, Action::ChangeOrderRefused],
        Subject::Drift { .. } => &[Action::DriftOverruled, Action::DriftUndone],
        Subject::Exception { .. } => {
            &[Action::ExceptionOverruled, Action::ExceptionClosed, Action::ExceptionOpenedAndClosed]
        }
        Subject::Delivery(_) | Subject::Unseen(_) => &[
            Action::ParkedClosed,
            Action::DeliveryDoneOutside,
            Action::DeliveryDismissed,
            Action::DeliverySettled,
            Action::DeliveryReleased,
        ],
        _ => &[Action::ParkedClosed, Action::Resumed],
    }
}

/// What is known of a thing that waits no more. `None`: nothing tells that a thing of this name ever waited.
///
/// # Errors
/// The store failed.
pub async fn closed(env: &Environment, subject: &Subject) -> Result<Option<Closed>, StoreError> {
    let mut closed = Closed {
        subject: subject.clone(),
        title: String::new(),
        code: None,
        contract: subject.contract().map(Into::into),
        milestone: None,
        was: String::new(),
        held: None,
        dates: None,
        ended: None,
        history: Vec::new(),
    };
    match subject {
        Subject::Approval { milestone, .. } => {
            closed.title = "An invoice that waited for approval".into();
            closed.milestone = Some(milestone.clone());
        }
        Subject::ChangeOrder { .. } => closed.title = "A change order that waited for approval".into(),
        Subject::Exception { code, milestone, .. } => {
            closed.code = Some(code.name().into());
            closed.milestone.clone_from(milestone);
        }
        Subject::Drift { kind, .. } => closed.code = Some(kind.name().into()),
        Subject::Delivery(key) | Subject::Unseen(key) => {
            let Some(delivery) = env.store.delivery(key.clone()).await? else { return Ok(None) };
            closed.title = format!("{} {} to {}", delivery.kind, delivery.subject, delivery.target).replace('_', " ");
            closed.contract = Some(delivery.contract);
        }
        _ => closed.title = format!("{} that waited", subject.kind().replace('_', " ")),
    }
    closed.look_up(env).await?;
    let names = [subject.to_string(), named_in_trail(subject)];
    closed.history = history(env, closed.contract.clone(), &names, &closed.milestone, closed.code.as_deref()).await?;
    closed.ended = closed.end();
    Ok(Some(closed).filter(|closed| closed.dates.is_some() || closed.ended.is_some()))
}

/// What lines of the trail call it where they do not call it as acts do.
fn named_in_trail(subject: &Subject) -> String {
    match subject {
        Subject::ChangeOrder { key, .. } | Subject::Delivery(key) | Subject::Unseen(key) => key.clone(),
        Subject::Drift { subject, .. } => subject.clone(),
        Subject::Pause { scope, name } => format!("{} {name}", scope.name()),
        other => other.to_string(),
    }
}

impl Closed {
    /// The line that ended it, of those since it was opened last.
    fn end(&self) -> Option<AuditLine> {
        let is_exception = matches!(self.subject, Subject::Exception { .. });
        let is_of_it = |line: &&AuditLine| !is_exception || Some(&line.subject) == self.code.as_ref();
        let opens = |line: &&AuditLine| line.says(Action::ExceptionOpened) || line.says(Action::DriftNoticed);
        let last: Vec<&AuditLine> = self.history.iter().filter(is_of_it).take_while(|line| !opens(line)).collect();
        ends(&self.subject)
            .iter()
            .find_map(|action| last.iter().find(|line| line.says(*action)))
            .map(|line| (*line).clone())
    }

    /// Reads what the row of an exception or a drift says, the one that was closed last.
    async fn look_up(&mut self, env: &Environment) -> Result<(), StoreError> {
        let (Some(contract), Some(code)) = (self.contract.clone(), self.code.clone()) else { return Ok(()) };
        let (title, _) = meaning(&code);
        self.title = title.into();
        let rows = env.store.exceptions(Some(vec![contract]), false).await?;
        let is_it = |row: &crate::store::views::ExceptionView| match &self.subject {
            Subject::Exception { milestone, leg, .. } => row.milestone == *milestone && row.leg == *leg,
            Subject::Drift { subject, .. } => row.subject == *subject,
            _ => false,
        };
        let own = rows.iter().filter(|row| row.code == code && is_it(row));
        let Some(row) = own.filter(|row| row.closed_on.is_some()).max_by_key(|row| row.closed_on) else {
            return Ok(());
        };
        self.dates = row.closed_on.map(|closed| (row.opened_on, closed));
        self.held = row.held.filter(|held| held.minor() != 0).map(Amount::from);
        self.milestone.clone_from(&row.milestone);
        self.was = reason(title, row, &[]);
        Ok(())
    }
}
