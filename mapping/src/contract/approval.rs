//! Approvals, section 5 of the rules: which milestones wait for a reviewer, and of what an approval is one. A reviewer
//! approves what he was shown; when that changes, the approval is void.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::documents::{DocumentKind, IssuedDocument};
use super::state::{Contract, Milestone, Review};
use crate::command::DeliveryKey;
use crate::fact::{DecimalText, ReviewDecision, Shown};
use crate::money::{Minor, Money};
use crate::rules::Code;

/// Whether a milestone's invoice waits for a reviewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Approval {
    /// A reviewer has approved it.
    Given {
        /// On this date.
        on: Date,
    },
    /// It needs an approval, and its trigger has not fired yet.
    Later,
    /// It needs none, or is out.
    NotNeeded,
    /// Its trigger has fired: it waits for an approval.
    Waits {
        /// Since this date.
        since: Date,
    },
}

/// A milestone whose invoice waits for a reviewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Milestone.
    pub milestone: String,
    /// Since when its trigger has fired.
    pub since: Date,
    /// Amount.
    pub amount: Money,
    /// What an approval would be of.
    pub shown: Shown,
    /// Of what an approval was that is void now.
    pub void: Option<Shown>,
}

impl Contract {
    /// Whether a milestone needs an approval, as it stands now.
    pub(super) fn needs_review(&self, milestone: &Milestone) -> bool {
        match self.policy.review {
            Review::All => true,
            Review::None => false,
            Review::Over(limit) => {
                let ordered = self.policy.orders && self.amended_on.is_some() && self.total >= limit;
                milestone.terms.amount >= limit || ordered || self.asked.iter().any(|id| milestone.is_of(id))
            }
        }
    }

    /// Whether a milestone waits for a reviewer.
    pub(super) fn approval(&self, milestone: &Milestone) -> Approval {
        let awaited = milestone.counts()
            && milestone.terms.amount > Minor::ZERO
            && !milestone.is_invoiced()
            && self.needs_review(milestone);
        match (milestone.approved_on, self.fired_on(milestone)) {
            _ if !awaited => Approval::NotNeeded,
            (Some(on), _) => Approval::Given { on },
            (None, Some(since)) => Approval::Waits { since },
            (None, None) => Approval::Later,
        }
    }

    /// Milestones whose invoice waits for a reviewer, and since when.
    pub fn waiting_for_approval(&self) -> Vec<Waiting> {
        if self.policy.review == Review::None {
            return Vec::new();
        }
        let waits = |candidate: &Milestone| {
            let Approval::Waits { since } = self.approval(candidate) else { return None };
            Some(Waiting {
                milestone: candidate.id().into(),
                since,
                amount: self.terms.money(candidate.terms.amount),
                shown: self.shown_of(candidate),
                void: candidate.void_approval.clone(),
            })
        };
        self.milestones.iter().filter_map(waits).collect()
    }

    /// What a reviewer of a milestone is shown: an approval is of exactly this. `None`: there is no such milestone now.
    pub fn shown(&self, milestone: &str) -> Option<Shown> {
        self.find(milestone).and_then(|index| self.milestones.get(index)).map(|milestone| self.shown_of(milestone))
    }

    fn shown_of(&self, milestone: &Milestone) -> Shown {
        let terms = &self.terms;
        let mut texts = vec![terms.currency.to_string(), terms.payment_terms_text()];
        texts.extend(terms.po_number().map(Into::into));
        // A field that says nothing is left out: a later version of the program that knows further fields gets the same
        // digest for terms that do not use them, so that replay takes the same approvals.
        let fields = serde_json::to_value(&milestone.terms).unwrap_or_default();
        let said: BTreeMap<&String, &Value> =
            fields.as_object().into_iter().flatten().filter(|(_, value)| says_something(value)).collect();
        texts.extend(said.into_iter().map(|(name, value)| format!("{name}={value}")));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Shown {
            version: self.version,
            amount: DecimalText(terms.money(milestone.terms.amount).decimal()),
            customer: terms.customer().into(),
            terms: DeliveryKey::of(&texts).to_string(),
            legs: Some(self.said_by_legs(milestone)),
        }
    }

    /// What the legs say of the contract's head and of a milestone. A status is left out: it tells what has happened, which
    /// facts tell, too, and an approval may be given before.
    fn said_by_legs(&self, milestone: &Milestone) -> BTreeMap<String, String> {
        let mut said = BTreeMap::new();
        // However many digits a system writes: the same amount is the same.
        let money = |text: &str| {
            let amount = text.parse().ok().and_then(|amount: DecimalText| self.terms.currency.from_decimal(amount.0));
            amount.map_or_else(|| text.to_owned(), |money| money.to_string())
        };
        for (leg, record) in &self.legs {
            let mut say = |of: &str, value: &Value| {
                for (field, value) in value.as_object().into_iter().flatten().filter(|(field, _)| is_shown(field)) {
                    let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
                    let text = if field == "amount" { money(&text) } else { text };
                    said.insert(format!("{leg} {of}{}", field.replace('_', " ")), text);
                }
            };
            say("", &serde_json::to_value(record).unwrap_or_default());
            for row in record.milestones.iter().flatten().filter(|row| milestone.is_of(&row.id)) {
                say("milestone ", &serde_json::to_value(row).unwrap_or_default());
            }
            for invoice in record.invoices.iter().flatten().filter(|invoice| milestone.is_of(&invoice.milestone)) {
                let amount = money(&invoice.amount.to_string());
                let text = format!("{amount} of {}, {}", invoice.date, invoice.status);
                said.insert(format!("{leg} invoice {}", invoice.number), text);
            }
        }
        said
    }

    /// A reviewer's decision on a milestone; the latest counts.
    pub(super) fn review(&mut self, milestone: &str, decision: ReviewDecision, shown: Option<&Shown>) {
        match decision {
            ReviewDecision::Approve => self.on_milestone(milestone, |contract, index| contract.approve(index, shown)),
            // A change order that is taken next may bring it in.
            ReviewDecision::Ask => drop(self.asked.insert(milestone.to_owned())),
            ReviewDecision::Hold => self.on_milestone(milestone, Self::hold),
            ReviewDecision::Undo => self.on_milestone(milestone, Self::undo),
            ReviewDecision::Void => self.on_milestone(milestone, Self::void_approval),
        }
    }

    /// Milestones that are billed in this state and were not in a former one, and that need an approval because of what goes out
    /// with them: their invoice is below the amount from which approvals are needed, nobody has approved it, and with those
    /// `others` and the contract's own that are below it, too, and dated since the day that `since` gives, it comes to that
    /// amount. Others are dates and amounts, in the contract's currency.
    pub fn to_ask(&self, former: &Self, others: &[(Date, Money)], since: impl Fn(Date) -> Date) -> BTreeSet<String> {
        let Review::Over(limit) = self.policy.review else { return BTreeSet::new() };
        let own =
            self.documents.iter().filter(|document| document.kind != DocumentKind::CreditMemo && !document.adopted);
        let own: Vec<&IssuedDocument> = own.filter(|document| document.amount.units() < limit).collect();
        let known: BTreeSet<&str> = former.documents.iter().map(|document| document.number.as_str()).collect();
        let exceeds = |place: usize, document: &IssuedDocument| {
            let counts = |date: Date| date >= since(document.date) && date <= document.date;
            let with = own.iter().take(place.saturating_add(1)).filter(|own| counts(own.date));
            let beside = others.iter().filter(|(date, amount)| counts(*date) && amount.units() < limit);
            let sum = with.map(|own| own.amount.units()).chain(beside.map(|(_, amount)| amount.units())).sum::<Minor>();
            sum >= limit
        };
        let unapproved =
            |id: &str| self.milestones.iter().any(|milestone| milestone.id() == id && milestone.approved_on.is_none());
        let asked = |document: &IssuedDocument| {
            let first = document.kind == DocumentKind::Invoice && !known.contains(document.number.as_str());
            first && unapproved(&document.milestone) && !self.asked.contains(&document.milestone)
        };
        let new = own.iter().enumerate().filter(|(place, document)| asked(document) && exceeds(*place, document));
        new.map(|(_, document)| document.milestone.clone()).collect()
    }

    /// Whether an invoice was issued since a former state that [`Self::to_ask`] would look at.
    pub fn bills_below_review(&self, former: &Self) -> bool {
        let Review::Over(limit) = self.policy.review else { return false };
        let new = self.documents.iter().skip(former.documents.len());
        new.into_iter().any(|document| document.kind == DocumentKind::Invoice && document.amount.units() < limit)
    }

    /// A reviewer approves a milestone. Of something else than what stands there now, the approval is void at once.
    fn approve(&mut self, index: usize, shown: Option<&Shown>) {
        let now = self.milestones.get(index).map(|milestone| self.shown_of(milestone));
        let today = self.as_of;
        let Some(milestone) = self.milestones.get_mut(index) else { return };
        let stale = shown.filter(|shown| now.as_ref().is_none_or(|now| !shown.is_of(now)));
        milestone.void_approval = stale.cloned();
        if stale.is_some() {
            return;
        }
        milestone.approved_on = Some(milestone.approved_on.unwrap_or(today));
        milestone.approved = shown.cloned();
        let id = milestone.id().to_owned();
        self.clear_code(Code::HeldByReviewer, &id);
        self.clear_code(Code::InvoiceWithdrawn, &id);
    }

    /// A reviewer withdraws an approval, and holds the milestone.
    fn hold(&mut self, index: usize) {
        self.withdraw_approval(index);
        if let Some(id) = self.milestones.get(index).map(|milestone| milestone.id().to_owned()) {
            self.open_event(Code::HeldByReviewer, Some(&id), None);
        }
    }

    /// An approval counts no more.
    pub(super) fn withdraw_approval(&mut self, index: usize) {
        if let Some(milestone) = self.milestones.get_mut(index) {
            milestone.approved_on = None;
            milestone.approved = None;
            milestone.void_approval = None;
        }
    }

    /// Approvals of something else than what stands there now end: the milestone waits for a reviewer again.
    pub(super) fn void_stale_approvals(&mut self) {
        for index in 0..self.milestones.len() {
            let Some(milestone) = self.milestones.get(index) else { continue };
            if milestone.approved.as_ref().is_some_and(|was| !was.is_of(&self.shown_of(milestone))) {
                self.void_approval(index);
            }
        }
    }

    /// The approval of a milestone that is not invoiced counts no more.
    fn void_approval(&mut self, index: usize) {
        if let Some(milestone) = self.milestones.get_mut(index).filter(|milestone| !milestone.is_invoiced()) {
            milestone.approved_on = None;
            milestone.void_approval = milestone.approved.take();
        }
    }
}

/// Fields of a leg's record, or of a milestone in it, that an approval is of.
fn is_shown(field: &str) -> bool {
    !["deferred_balance", "duplicates", "id", "invoices", "milestones", "recognised", "status"].contains(&field)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}
