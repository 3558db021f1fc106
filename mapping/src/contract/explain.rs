//! How each date and amount came about, told in order of time: which event or date, which clause, which days were skipped.
//! What is told is read from the same state that decides; nothing is decided here.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::documents::{DocumentKind, IssuedDocument};
use super::state::{Contract, Milestone, Review, Stage};
use crate::case::Case;
use crate::command::Side;
use crate::counted::counted;
use crate::fact::{Event, Fact, ReviewDecision};
use crate::money::Minor;
use crate::proration::days_between;
use crate::rules;
use crate::terms::{InvoiceRule, Method, PaymentTerms, Trigger};

/// Something that happened, and all that followed from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Local date.
    pub date: Date,
    /// The event, or the date itself.
    pub cause: String,
    /// What followed, in the order in which it came about.
    pub effects: Vec<String>,
}

/// Plays a case and tells what followed from what.
pub fn explain(case: &Case) -> Vec<Step> {
    let mut telling = Telling::of(case.open());
    telling.take(case.events().iter().filter(|fact| case.terms().local_date(fact.at) <= case.until()));
    telling.pass_to(case.until(), None);
    telling.tell_date(Contract::close_day);
    telling.end()
}

/// Tells what followed from what in a contract that goes on: from how it was filed, by the facts that were decided about, to the
/// day that it has reached.
pub fn explain_facts(filed: Contract, facts: &[Fact], reached: Date) -> Vec<Step> {
    let mut telling = Telling::of(filed);
    telling.take(facts.iter());
    telling.pass_to(reached, None);
    telling.end()
}

/// A contract that is played, and what was told of it.
struct Telling {
    contract: Contract,
    steps: Vec<Step>,
}

impl Telling {
    fn of(contract: Contract) -> Self {
        let cause = format!("contract {} is loaded", contract.terms.id);
        let loaded = Step { date: contract.as_of, cause, effects: contract.at_load() };
        Self { contract, steps: vec![loaded] }
    }

    fn take<'a>(&mut self, facts: impl Iterator<Item = &'a Fact>) {
        for fact in facts {
            let date = self.contract.terms.local_date(fact.at);
            if !self.contract.takes_as_filed(fact, date) {
                self.pass_to(date, Some(fact.at));
            }
            let date = date.max(self.contract.as_of);
            self.tell(date, &event_text(fact), true, |contract| drop(contract.apply(fact)));
        }
    }

    /// What is open when nothing more is known.
    fn end(mut self) -> Vec<Step> {
        let effects = self.contract.still_open();
        self.steps.push(Step { date: self.contract.as_of, cause: "at the end".into(), effects });
        self.steps
    }

    /// Does something to the contract and tells what followed; `always`: also where nothing did.
    fn tell(&mut self, date: Date, cause: &str, always: bool, act: impl FnOnce(&mut Contract)) {
        let before = self.contract.clone();
        act(&mut self.contract);
        let mut effects = self.contract.told_since(&before);
        if effects.is_empty() && always {
            effects.push("changes nothing".into());
        }
        if !effects.is_empty() {
            self.steps.push(Step { date, cause: cause.to_owned(), effects });
        }
    }

    fn tell_date(&mut self, act: impl FnOnce(&mut Contract)) {
        let before = self.contract.clone();
        act(&mut self.contract);
        let effects = self.contract.told_since(&before);
        if !effects.is_empty() {
            self.steps.push(Step { date: self.contract.as_of, cause: "the date".into(), effects });
        }
    }

    /// Passes days up to the beginning of `day`, telling what they bring by themselves, and what had expired when it became
    /// known; an event of the same instant may still come before that.
    fn pass_to(&mut self, day: Date, at: Option<Timestamp>) {
        if !self.contract.has_begun() && day >= self.contract.as_of {
            self.tell(self.contract.as_of, "the first day begins", false, Contract::begin);
        }
        if at.is_none() || self.contract.instant != at {
            self.tell(self.contract.as_of, "what had expired", false, Contract::end_instant);
        }
        while self.contract.as_of < day {
            let today = self.contract.as_of;
            let next = self.contract.next_change().filter(|next| *next <= day && *next > today).unwrap_or(day);
            self.tell_date(|contract| contract.advance_to(next));
        }
    }
}

fn event_text(fact: &Fact) -> String {
    let on = fact.on.map_or(String::new(), |on| format!("of {on}, "));
    format!("{} ({on}at {})", event_in_words(&fact.event), fact.at)
}

/// What happened, in words.
pub fn event_in_words(event: &Event) -> String {
    match event {
        Event::Accepted { milestone, by, role, portion, .. } => {
            let role = role.as_deref().map_or(String::new(), |role| format!(" ({role})"));
            let portion = portion.map_or(String::new(), |portion| format!(", {portion} of it"));
            format!("{milestone} accepted by {by}{role}{portion}")
        }
        Event::Adopted { milestone, number, by, reason, .. } => {
            format!("invoice {number} adopted for {milestone} by {by}: {reason}")
        }
        Event::Amended(one) => {
            format!("change order, version {}, {}", one.version, if one.signed { "signed" } else { "not signed" })
        }
        Event::Approved { milestone, party, .. } => format!("{milestone} approved by the {party:?}").to_lowercase(),
        Event::Cost { obligation, incurred, estimate_to_complete, .. } => {
            format!("cost report of {obligation}: {incurred} incurred, {estimate_to_complete} to complete")
        }
        Event::Evidence { milestone, evidence } => format!("evidence for {milestone}: {}", evidence.join(", ")),
        Event::ExternalEvent { milestone, name } => format!("system event {name:?} for {milestone}"),
        Event::Observed(one) => format!("the {} is read", one.leg),
        Event::Overrule { code, by, reason, .. } => format!("{code} overruled by {by}: {reason}"),
        Event::Payment { invoice, amount, .. } => format!("payment of {amount} for {invoice}"),
        Event::PaymentReversed { id } => format!("payment {id} taken back"),
        Event::PeriodClosed { through } => format!("dates through {through} are closed"),
        Event::Rejected { milestone, by, criteria, .. } => {
            format!("{milestone} rejected by {by}: {}", criteria.join("; "))
        }
        Event::Review { milestone, decision: ReviewDecision::Void, by, .. } => {
            format!("the approval of {milestone} is void: {by}, who approved, has had a hand in it since")
        }
        Event::Review { milestone, decision: ReviewDecision::Ask, .. } => {
            format!(
                "{milestone} needs an approval: with what else goes out in these days it is above the amount for one"
            )
        }
        Event::Review { milestone, decision, by, .. } => {
            format!("review of {milestone} by {by}: {}", format!("{decision:?}").to_lowercase())
        }
        Event::Submitted { milestone, by, .. } => format!("completion notice for {milestone} by {by}"),
        Event::Usage { metric, value } => format!("reading of {metric}: {value}"),
        Event::Withdrawn { number, by, reason } => format!("{number} withdrawn by {by}: {reason}"),
    }
}

impl Contract {
    fn at_load(&self) -> Vec<String> {
        let mut told = vec![format!(
            "price {}, cap {}, {}, calendar {}, time zone {}",
            self.total(),
            self.terms.money(self.cap.unwrap_or(self.total)),
            counted(self.milestones.len(), "milestone"),
            self.terms.calendar,
            self.terms.timezone
        )];
        for (index, obligation) in self.terms.obligations.iter().enumerate() {
            told.push(format!(
                "obligation {}: {} of the price, by relative standalone selling price {}; recognised by {}",
                obligation.id,
                self.terms.money(self.price_of(index)),
                self.terms.money(obligation.ssp),
                obligation.method.name()
            ));
        }
        for milestone in
            self.milestones.iter().filter(|milestone| milestone.counts() && !self.terms.obligations.is_empty())
        {
            let share =
                self.terms.money(self.allocation().map_or(Minor::ZERO, |allocation| allocation.of(milestone.id())));
            told.push(format!(
                "{}: invoice {}, revenue {share}",
                milestone.id(),
                self.terms.money(milestone.terms.amount)
            ));
        }
        told.extend(self.documents.iter().map(|document| self.why_document(document)));
        if let Some(opening) = self.opening() {
            let at = opening.view(&self.terms);
            told.push(format!(
                "opening balance: {} billed, {} recognised, {} paid (books_from, section 11)",
                at.billed, at.recognised, at.cash
            ));
        }
        told.extend(self.exceptions.iter().map(opened));
        told
    }

    /// What differs from an earlier state of the same contract.
    fn told_since(&self, before: &Self) -> Vec<String> {
        let mut told = Vec::new();
        if self.version != before.version || self.total != before.total {
            told.push(format!("version {} holds; price {}, before {}", self.version, self.total(), before.total()));
        }
        for milestone in &self.milestones {
            let former = before.milestones.iter().find(|former| former.id() == milestone.id());
            self.tell_milestone(milestone, former, &mut told);
        }
        for document in self.documents.iter().skip(before.documents.len()) {
            told.push(self.why_document(document));
        }
        for (document, former) in self.documents.iter().zip(&before.documents) {
            if document.withdrawn && !former.withdrawn {
                told.push(format!("{} of {} does not count any more (section 14)", document.number, document.amount));
            }
        }
        if let Some(through) = self.closed_through().filter(|through| before.closed_through() != Some(*through)) {
            told.push(format!("dates through {through} are closed (section 10)"));
        }
        for (index, exception) in self.exceptions.iter().enumerate() {
            match before.exceptions.get(index) {
                None => told.push(opened(exception)),
                Some(former) if former.closed_on.is_none() && exception.closed_on.is_some() => {
                    told.push(format!("{}{} closes", exception.code, about(exception)));
                }
                Some(_) => {}
            }
        }
        self.tell_revenue(before, &mut told);
        told
    }

    fn tell_milestone(&self, milestone: &Milestone, former: Option<&Milestone>, told: &mut Vec<String>) {
        let id = milestone.id();
        let Some(former) = former else {
            let parent = milestone.ancestors.last().map_or(String::new(), |parent| format!(", part of {parent}"));
            told.push(format!("{id} comes in with {}{parent}", self.terms.money(milestone.terms.amount)));
            if let Some(on) = milestone.accepted_on {
                told.push(format!("{id} accepted on {on}"));
            }
            return;
        };
        if milestone.terms.amount != former.terms.amount {
            let amount = |minor| self.terms.money(minor);
            told.push(format!("{id}: {} instead of {}", amount(milestone.terms.amount), amount(former.terms.amount)));
        }
        if milestone.cancelled_on.is_some() && former.cancelled_on.is_none() {
            told.push(format!("{id} is cancelled"));
        }
        if let (Some(start), Some(end)) = (milestone.window_start, milestone.window_end)
            && former.window_end != milestone.window_end
        {
            let clause = match (milestone.resubmitted, milestone.terms.window_days) {
                (true, _) => "acceptance.reevaluation_days".to_owned(),
                (false, Some(_)) => format!("window_days of {id}"),
                (false, None) => "acceptance.window_days".into(),
            };
            told.push(format!("{id}: window from {start} through {end} ({clause}{})", self.days_told(start, end)));
            if self.has_deemed_clause(milestone) {
                let next = self.calendar.add(end, 1);
                told.push(format!("{id}: silence is acceptance on {next} (acceptance.deemed)"));
            }
        }
        if milestone.stage != former.stage {
            match (milestone.stage, milestone.cure_due) {
                (Stage::Accepted, _) if milestone.deemed => {
                    let end = milestone.window_end.unwrap_or(self.as_of);
                    told.push(format!("{id} deemed accepted: no answer through {end} (acceptance.deemed, section 4)"));
                }
                (Stage::Accepted, _) => {
                    let document =
                        milestone.document.as_deref().map_or(String::new(), |link| format!(", document {link}"));
                    let on = milestone.accepted_on.unwrap_or(self.as_of);
                    told.push(format!("{id} accepted on {on}{document}"));
                }
                (Stage::Rejected, Some(due)) => told.push(format!(
                    "{id} rejected; cure due by {due} (acceptance.cure_days{})",
                    self.days_told(milestone.rejected_on.unwrap_or(self.as_of), due)
                )),
                (Stage::Rejected, None) => told.push(format!("{id} rejected; no cure is left (acceptance.max_cures)")),
                (Stage::Submitted, _) => told.push(format!("{id} submitted")),
                (Stage::Pending, _) => {}
            }
        }
        for (party, now, then) in [
            ("vendor", milestone.vendor_approved_on, former.vendor_approved_on),
            ("customer", milestone.customer_approved_on, former.customer_approved_on),
            ("reviewer", milestone.approved_on, former.approved_on),
        ] {
            if now != then {
                told.push(format!("{id}: {} of the {party}", if now.is_some() { "approval" } else { "no approval" }));
            }
        }
    }

    /// `, 10 business days, skipping Sat 2026-02-07, …`
    fn days_told(&self, from: Date, to: Date) -> String {
        let mut days = Vec::new();
        let (mut day, mut number) = (from, 0_u32);
        while day < to {
            day = day.tomorrow().unwrap_or(to);
            if self.calendar.is_business_day(day) {
                number = number.saturating_add(1);
            } else {
                let weekend = day.weekday().to_monday_one_offset() > 5;
                let why = if weekend { day.strftime("%a").to_string() } else { "holiday".into() };
                days.push(format!("{why} {day}"));
            }
        }
        let skipping = if days.is_empty() { String::new() } else { format!(", skipping {}", days.join(", ")) };
        format!(", {}{skipping}", counted(number, "business day"))
    }

    pub(super) fn why_document(&self, document: &IssuedDocument) -> String {
        let head = format!("{} {} of {}", document.kind.name().replace('_', " "), document.number, document.amount);
        let index = self.milestones.iter().position(|milestone| milestone.id() == document.milestone);
        let Some((index, milestone)) = index.and_then(|index| Some((index, self.milestones.get(index)?))) else {
            return head;
        };
        let dated = format!("{head}, dated {}", document.date);
        if document.adopted {
            return format!("{dated}: adopted, due {} (section 11)", document.due_on);
        }
        if document.kind != DocumentKind::Invoice {
            return format!("{dated}: {}", self.why_beside(milestone, document));
        }
        let mut why = vec![self.why_trigger(milestone)];
        for id in &milestone.terms.depends_on {
            let met = self
                .milestones
                .iter()
                .find(|other| other.id() == id)
                .and_then(|other| other.accepted_on.or(other.cancelled_on));
            why.extend(met.map(|on| format!("{id} out of the way on {on}")));
        }
        why.extend(self.released_on(index).map(|on| format!("last hold gone on {on}")));
        if !matches!(self.policy.review, Review::None) {
            why.extend(milestone.approved_on.map(|on| format!("approved by a reviewer on {on}")));
        }
        why.push(match milestone.terms.invoice {
            InvoiceRule::NextCycle => {
                format!("next billing-cycle day (billing_cycle_day = {})", self.terms.billing_cycle_day)
            }
            rule => format!("invoice = \"{}\"", rule.name()),
        });
        let terms = milestone.terms.payment_terms.unwrap_or(self.terms.payment_terms);
        let due = match terms {
            PaymentTerms::DueOnReceipt => "due on receipt".to_owned(),
            terms if self.terms.due_from_acceptance && milestone.accepted_on.is_some() => {
                format!("due {}: {terms} from the acceptance, not before the invoice", document.due_on)
            }
            terms => format!("due {}: {terms} from the invoice", document.due_on),
        };
        format!("{dated}: {}; {due}", why.join("; "))
    }

    /// Why a document was written that is no first invoice.
    fn why_beside(&self, milestone: &Milestone, document: &IssuedDocument) -> String {
        match document.kind {
            DocumentKind::RetainageInvoice => {
                let release = self.terms.retainage.as_ref().map_or("", |retainage| retainage.release.as_str());
                let on = self.released_retainage_on().map_or_else(|| "?".to_owned(), |on| on.to_string());
                format!("kept back until {release} was accepted, {on} (section 13)")
            }
            DocumentKind::SupplementaryInvoice if document.original.is_none() => {
                "invoiced again: what was out before was taken back (sections 10, 14)".into()
            }
            DocumentKind::CreditMemo if milestone.billing.undone && !milestone.is_invoiced() => {
                "the acceptance was undone (section 10)".into()
            }
            _ if !milestone.live() => format!("version {} removed an invoiced milestone (section 6)", self.version),
            _ => format!("version {} changed an invoiced milestone (section 6)", self.version),
        }
    }

    fn why_trigger(&self, milestone: &Milestone) -> String {
        let on = self.trigger_date(milestone).map_or_else(|| "?".to_owned(), |date| date.to_string());
        if milestone.terms.advance {
            let from = if milestone.terms.depends_on.is_empty() { "signed_on" } else { "the last dependency" };
            return format!("billed in advance, from {from}, {on}");
        }
        match &milestone.terms.trigger {
            Trigger::Acceptance => format!("accepted on {on}"),
            Trigger::Date(_) => format!("trigger_date {on}"),
            Trigger::Usage { metric, threshold } => format!("{metric} reached {threshold} on {on}"),
            Trigger::WorkflowApproval => format!("vendor and customer approved by {on}"),
            Trigger::FirstOf(_) => format!("the first of its conditions came on {on}"),
            Trigger::LastOf(_) => format!("the last of its conditions came on {on}"),
        }
    }

    fn tell_revenue(&self, before: &Self, told: &mut Vec<String>) {
        for (index, obligation) in self.terms.obligations.iter().enumerate() {
            let (now, then) = (self.recognised_now(index), before.recognised_now(index));
            if now == then {
                continue;
            }
            let price = self.terms.money(self.price_of(index));
            let how = match obligation.method {
                Method::Output => "recognition amounts of the accepted milestones".to_owned(),
                Method::PointInTime => format!("the whole price {price}: every milestone is accepted"),
                Method::CostToCost { .. } => self.cost_to_cost(index).map_or(String::new(), |cost| {
                    let (part, whole) = cost.progress();
                    let rounded = cost
                        .progress_decimals
                        .map_or(String::new(), |n| format!(", progress to {n} decimals of a percent"));
                    format!("price {price} × {part} ÷ {whole}, half up{rounded}")
                }),
                Method::TimeElapsed { start, end } => {
                    let booked = self.booked(index).unwrap_or(start);
                    let (elapsed, all) = (days_between(start, booked.min(end)), days_between(start, end));
                    format!("price {price} × {elapsed} of {all} days through {}", booked.min(end))
                }
            };
            let change = self.terms.money(now - then);
            told.push(format!("revenue {change} of {}: {} to date, {how}", obligation.id, self.terms.money(now)));
        }
        for entry in self.booked_since(before) {
            let lines: Vec<String> = entry
                .lines
                .iter()
                .map(|line| {
                    let side = if line.side == Side::Debit { "Dr" } else { "Cr" };
                    format!("{side} {} {}", line.account.name(), line.amount)
                })
                .collect();
            told.push(format!("entry of {}: {}", entry.date, lines.join(", ")));
        }
    }

    /// What every milestone without an invoice waits for.
    fn still_open(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (index, milestone) in
            self.milestones.iter().enumerate().filter(|(_, milestone)| milestone.counts() && !milestone.is_invoiced())
        {
            let waits = self.what_it_waits_for(index);
            told.push(format!(
                "{} of {} waits: {}",
                milestone.id(),
                self.terms.money(milestone.terms.amount),
                waits.join(", ")
            ));
        }
        told.push(format!("{} billed, {} remains to bill", self.terms.money(self.billed()), self.remaining_to_bill()));
        told
    }

    /// What a milestone that is not invoiced waits for.
    pub(super) fn what_it_waits_for(&self, index: usize) -> Vec<String> {
        let Some(milestone) = self.milestones.get(index) else { return Vec::new() };
        let mut waits: Vec<String> = self.blocking(milestone).map(|code| code.name().to_owned()).collect();
        match (self.fired_on(milestone), self.trigger_date(milestone)) {
            (None, Some(on)) => waits.push(format!("trigger on {on}")),
            (None, None) => waits.push("trigger has not fired".into()),
            (Some(_), _) => {}
        }
        if milestone.ready_on.is_some() {
            waits.extend(self.invoice_date(index).map(|on| format!("invoice date {on}")));
        }
        if waits.is_empty() {
            waits.push("an approval".into());
        }
        waits
    }
}

fn about(record: &super::ExceptionRecord) -> String {
    let milestone = record.milestone.as_deref().map_or(String::new(), |id| format!(" on {id}"));
    let leg = record.leg.map_or(String::new(), |leg| format!(", said by the {leg}"));
    format!("{milestone}{leg}")
}

fn opened(record: &super::ExceptionRecord) -> String {
    let rule = rules::of(record.code);
    format!("{} opens{} ({}, section {}): {}", record.code, about(record), record.severity, rule.section, rule.title)
}
