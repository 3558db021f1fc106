//! Four-way validation, section 8 of the rules: what each leg says is compared with the agreement. Findings are
//! conditions: they are judged anew after every event and at every day's start.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::documents::DocumentKind;
use super::exceptions::Key;
use super::state::{Contract, Milestone, Stage};
use crate::compare::{self, Agreed, Codes, Frame, Said};
use crate::fact::{Leg, LegInvoice, LegMilestone, LegRecognition, LegRecord};
use crate::money::Minor;
use crate::rules::{self, Code};
use crate::terms::Method;

/// Status of an invoice that is not live.
pub(super) const VOID: &str = "void";
/// Stage of a deal that is won.
pub(super) const CLOSED_WON: &str = "closed_won";
/// What a leg shows: code, milestone or none, leg. In the order of [`Key`].
type Finding<'a> = (Code, Option<&'a str>, Option<Leg>);

/// The id under which two records claim the contract itself.
pub(crate) const WHOLE: &str = "contract";
/// Status of work that is done.
pub(super) const DONE: &str = "done";

impl Contract {
    /// A leg was read: it replaces the former observation whole.
    pub(super) fn observe(&mut self, leg: Leg, record: &LegRecord) {
        if leg == Leg::Erp {
            // Compared with our balance before anything that this observation sets off.
            let ours = self.terms.money(self.position_at(self.as_of, false).deferred_revenue).decimal();
            self.deferred_variance = record.deferred_balance.is_some_and(|balance| balance.0 != ours);
        }
        self.legs.insert(leg, record.clone());
    }

    /// Opens what the legs show and closes what they no longer show.
    pub(super) fn judge_findings(&mut self) {
        let mut shown = Vec::new();
        // The text is written only where a leg has one to be compared with it.
        let said = self.legs.values().any(|record| record.payment_terms.is_some());
        let payment_terms = if said { self.terms.payment_terms.to_string() } else { String::new() };
        if !self.legs.is_empty() {
            let (agreed, frame) = (self.agreed(), self.frame(&payment_terms));
            for (leg, record) in &self.legs {
                self.findings(*leg, record, &agreed, &frame, &mut shown);
            }
        }
        shown.sort_unstable();
        shown.dedup();
        let is_finding = |code, leg: Option<Leg>| leg.is_some() && rules::of(code).is_finding();
        let open = self.open.iter().filter_map(|index| self.exceptions.get(*index));
        let open = open.map(|exception| (exception.code, exception.milestone.as_deref(), exception.leg));
        let overruled = self.overruled.iter().map(|key| (key.code, key.milestone.as_deref(), key.leg));
        let over =
            open.chain(overruled).filter(|found| is_finding(found.0, found.2) && shown.binary_search(found).is_err());
        let over: Vec<Key> = over.map(|(code, id, leg)| Key::new(code, id, leg)).collect();
        let new = shown.iter().filter(|(code, id, leg)| !self.stands(*code, *id, *leg, true));
        let new: Vec<Key> = new.map(|(code, id, leg)| Key::new(*code, *id, *leg)).collect();
        for key in over {
            self.clear(&key);
        }
        for key in new {
            self.raise(key);
        }
    }

    /// What a leg's record shows. Where two records claim one milestone nobody can say which of them speaks, so neither is
    /// compared (its invoices and revenue are other records); where two claim the contract, nothing is.
    fn findings<'a>(
        &'a self,
        leg: Leg,
        record: &'a LegRecord,
        agreed: &BTreeMap<&'a str, Vec<&'a Milestone>>,
        frame: &Frame<&str, Decimal>,
        shown: &mut Vec<Finding<'a>>,
    ) {
        let (doubled, before) = (doubled(record), shown.len());
        if !doubled.contains(WHOLE) {
            self.milestone_findings(leg, record, agreed, shown);
            if !doubled.is_empty() {
                let compared = shown.split_off(before);
                shown.extend(compared.into_iter().filter(|(_, id, _)| id.is_none_or(|id| !doubled.contains(id))));
            }
            self.contract_findings(leg, record, frame, shown);
            if leg == Leg::Erp {
                self.invoice_findings(record.invoices.as_deref().unwrap_or_default(), shown);
                self.recognition_findings(record.recognised.as_deref().unwrap_or_default(), shown);
            }
        }
        shown.extend(doubled.iter().map(|id| (Code::AmbiguousRecord, Some(*id).filter(|id| *id != WHOLE), Some(leg))));
    }

    fn contract_findings<'a>(
        &self,
        leg: Leg,
        record: &LegRecord,
        frame: &Frame<&str, Decimal>,
        shown: &mut Vec<Finding<'a>>,
    ) {
        for code in compare::contract(leg, frame, &frame_said(record)).iter() {
            shown.push((code, None, Some(leg)));
        }
        if leg == Leg::Erp && self.deferred_variance {
            shown.push((Code::DeferredVariance, None, Some(leg)));
        }
    }

    /// The whole contract as legs are compared with it.
    pub(crate) fn frame<'a>(&'a self, payment_terms: &'a str) -> Frame<&'a str, Decimal> {
        Frame {
            amount: Some(self.terms.money(self.total).decimal()),
            currency: Some(self.terms.currency.code()),
            customer: Some(&self.terms.customer),
            payment_terms: Some(payment_terms),
            window_days: Some(self.terms.acceptance.window_days),
            deemed: Some(self.terms.acceptance.deemed),
            version: Some(self.version),
            won: Some(true),
        }
    }

    /// The agreement's milestones as legs name them: the parts of a split one under its id.
    pub(crate) fn agreed(&self) -> BTreeMap<&str, Vec<&Milestone>> {
        let mut agreed: BTreeMap<&str, Vec<&Milestone>> = BTreeMap::new();
        for milestone in self.milestones.iter().filter(|milestone| milestone.live()) {
            agreed.entry(milestone.root.as_str()).or_default().push(milestone);
        }
        agreed
    }

    fn milestone_findings<'a>(
        &'a self,
        leg: Leg,
        record: &'a LegRecord,
        agreed: &BTreeMap<&'a str, Vec<&'a Milestone>>,
        shown: &mut Vec<Finding<'a>>,
    ) {
        let Some(listed) = &record.milestones else { return };
        for said in listed {
            let Some(parts) = agreed.get(said.id.as_str()) else {
                shown.push((Code::UnknownMilestone, Some(&said.id), Some(leg)));
                continue;
            };
            for code in self.differences(leg, said, parts).iter() {
                shown.push((code, Some(&said.id), Some(leg)));
            }
        }
        for (id, parts) in agreed {
            let billable = parts.iter().any(|part| part.terms.billable);
            let lists = listed.iter().any(|said| said.id == *id);
            if billable && !lists {
                shown.push((Code::NotConfigured, Some(id), Some(leg)));
            }
        }
    }

    /// Where what a leg says of a milestone is not as agreed, be it of one of its parts.
    fn differences(&self, leg: Leg, said: &LegMilestone, parts: &[&Milestone]) -> Codes {
        let Some(first) = parts.first() else { return Codes::default() };
        let (words, said) = (self.agreed_words(first), milestone_said(said));
        let of_each = parts.iter().map(|part| compare::milestone(leg, &self.agreed_on(part, parts, words), &said));
        of_each.fold(Codes::default(), Codes::and)
    }

    /// A milestone, or a part of it, as legs are compared with it; `words` are its [`Self::agreed_words`].
    pub(crate) fn agreed_on<'a>(
        &self,
        first: &Milestone,
        parts: &[&Milestone],
        words: &'a str,
    ) -> Agreed<&'a str, Decimal> {
        let amount = parts.iter().map(|part| part.terms.amount).sum();
        Agreed {
            amount: self.terms.money(amount).decimal(),
            description: words,
            window_days: first.terms.window_days.unwrap_or(self.terms.acceptance.window_days),
            deemed: self.terms.acceptance.deemed,
            completion: first.terms.completion.name(),
            timing: if first.terms.advance { "advance" } else { "arrears" },
            invoice: first.terms.invoice.name(),
            method: self.method_of(first).map(Method::name),
            accepted: parts.iter().all(|part| part.stage == Stage::Accepted),
        }
    }

    /// The contract language of the agreement's milestone, without the words that tell its parts apart.
    pub(crate) fn agreed_words<'a>(&self, milestone: &'a Milestone) -> &'a str {
        let mut words = milestone.description();
        for _ in &milestone.ancestors {
            let whole = [" (accepted part)", " (remaining part)"].iter().find_map(|tail| words.strip_suffix(tail));
            words = whole.unwrap_or(words);
        }
        words
    }

    fn invoice_findings<'a>(&'a self, invoices: &'a [LegInvoice], shown: &mut Vec<Finding<'a>>) {
        let live = || invoices.iter().filter(|invoice| invoice.status != VOID);
        let mut show = |code: Code, id: &'a str| {
            shown.push((code, Some(id), Some(Leg::Erp)));
        };
        let mut by_milestone: BTreeMap<&str, Vec<&LegInvoice>> = BTreeMap::new();
        for invoice in live() {
            by_milestone.entry(invoice.milestone.as_str()).or_default().push(invoice);
        }
        for (id, invoices) in &by_milestone {
            // Our corrections count neither as a second invoice nor as the one that makes a foreign one look like two.
            let counted: Vec<_> = invoices.iter().filter(|invoice| !self.corrects(&invoice.number)).collect();
            match counted.as_slice() {
                [] => {}
                [only] if self.is_ours(&only.number) => {}
                [_] => show(Code::ForeignInvoice, id),
                _ => show(Code::DoubleBilled, id),
            }
            let parts = self.named(id);
            let early = |invoice: &&&LegInvoice| {
                !self.is_ours(&invoice.number)
                    && parts.iter().any(|part| self.fired_on(part).is_none_or(|fired| invoice.date < fired))
            };
            if invoices.iter().any(|invoice| early(&invoice)) {
                show(Code::InvoicedEarly, id);
            }
            for skipped in
                parts.iter().flat_map(|part| &part.terms.depends_on).filter_map(|on| self.skipped(on, &by_milestone))
            {
                show(Code::Skipped, skipped);
            }
        }
    }

    /// Live milestones that an ERP record names by the agreement's id: a part's own id is unknown to legs.
    fn named(&self, id: &str) -> Vec<&Milestone> {
        self.milestones.iter().filter(|milestone| milestone.live() && milestone.root == id).collect()
    }

    /// One of our supplementary invoices, retainage invoices or credit memos.
    fn corrects(&self, number: &str) -> bool {
        self.documents
            .iter()
            .any(|document| document.number == number && !document.withdrawn && document.kind != DocumentKind::Invoice)
    }

    /// A dependency, accepted and billable, that has no invoice in the ERP and none from us.
    fn skipped<'a>(&'a self, id: &str, invoiced: &BTreeMap<&str, Vec<&LegInvoice>>) -> Option<&'a str> {
        let found = self.milestones.iter().find(|milestone| milestone.id() == id)?;
        let there = invoiced.contains_key(found.id()) || invoiced.contains_key(found.root.as_str());
        let skipped = found.counts()
            && found.terms.amount > Minor::ZERO
            && found.stage == Stage::Accepted
            && !there
            && !found.is_invoiced();
        skipped.then_some(found.root.as_str())
    }

    fn recognition_findings<'a>(&self, recognised: &'a [LegRecognition], shown: &mut Vec<Finding<'a>>) {
        for entry in recognised {
            for milestone in self.named(&entry.milestone) {
                if !matches!(self.method_of(milestone), Some(Method::Output | Method::PointInTime)) {
                    continue;
                }
                let month = |date: Date| (date.year(), date.month());
                let early = milestone.accepted_on.is_none_or(|accepted| entry.date < accepted);
                let elsewhere = milestone.booked_on.is_some_and(|booked| month(entry.date) != month(booked));
                if early {
                    shown.push((Code::RecognisedEarly, Some(&entry.milestone), Some(Leg::Erp)));
                }
                if elsewhere {
                    shown.push((Code::RecognisedWrongPeriod, Some(&entry.milestone), Some(Leg::Erp)));
                }
            }
        }
    }
}

/// What a leg says of a whole contract.
pub(crate) fn frame_said(record: &LegRecord) -> Frame<&str, Decimal> {
    Frame {
        amount: record.amount.map(|amount| amount.0),
        currency: record.currency.as_deref(),
        customer: record.customer.as_deref(),
        payment_terms: record.payment_terms.as_deref(),
        window_days: record.window_days,
        deemed: record.deemed,
        version: record.version,
        won: record.stage.as_deref().map(|stage| stage == CLOSED_WON),
    }
}

/// What a leg says of a milestone.
pub(crate) fn milestone_said(said: &LegMilestone) -> Said<&str, Decimal> {
    Said {
        amount: said.amount.map(|amount| amount.0),
        description: said.description.as_deref(),
        window_days: said.window_days,
        deemed: said.deemed,
        completion: said.completion.as_deref(),
        timing: said.timing.as_deref(),
        invoice: said.invoice.as_deref(),
        method: said.recognition_method.as_deref(),
        done: said.status.as_deref() == Some(DONE),
    }
}

/// Ids that two of a leg's records bear.
pub(crate) fn doubled(record: &LegRecord) -> BTreeSet<&str> {
    let mut doubled: BTreeSet<&str> = record.duplicates.iter().flatten().map(String::as_str).collect();
    let mut listed: Vec<&str> = record.milestones.iter().flatten().map(|milestone| milestone.id.as_str()).collect();
    listed.sort_unstable();
    doubled.extend(listed.iter().zip(listed.iter().skip(1)).filter(|(id, next)| id == next).map(|(id, _)| *id));
    doubled
}
