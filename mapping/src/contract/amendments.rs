//! Amendments, section 6 of the rules.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::Value;

use super::FactError;
use super::exceptions::{Code, Key};
use super::state::{Contract, Milestone};
use crate::fact::{Amendment, DecimalText, Treatment};
use crate::reader::Reader;
use crate::terms::{
    COMPLETIONS, Completion, MilestoneTerms, cycle, numbered_like, read_invoice_rule, read_milestone, read_trigger,
};

impl Contract {
    pub(super) fn check_amendment(&self, amendment: &Amendment) -> Result<(), FactError> {
        for (field, value) in [("total", amendment.total), ("cap", amendment.cap)] {
            let Some(value) = value else { continue };
            if value.0 < Decimal::ZERO || self.terms.currency.from_decimal(value.0).is_none() {
                return Err(FactError::new(field, format!("{value} is no amount of {}", self.terms.currency)));
            }
        }
        for (index, item) in amendment.add.iter().enumerate() {
            let place = format!("add[{index}]");
            self.added(item, &place)?;
        }
        for (index, item) in amendment.change.iter().enumerate() {
            let place = format!("change[{index}]");
            let Some(id) = item.get("id").and_then(Value::as_str) else {
                return Err(FactError::new(&format!("{place}.id"), "is missing"));
            };
            // The fields are read whether or not the milestone is known: a malformed one is a bad fact.
            let known = self.milestones.iter().find(|one| one.id() == id).map(|one| one.terms.clone());
            self.changed(item, &place, known.or_else(|| self.milestones.first().map(|one| one.terms.clone())))?;
        }
        Ok(())
    }

    /// What an amendment that applies brings in: what milestones wait for is known, none waits for itself, and no two
    /// documents would bear one number.
    pub(super) fn check_items(&self, amendment: &Amendment) -> Result<(), FactError> {
        if amendment.version <= self.version || !amendment.signed {
            return Ok(());
        }
        let mut edges: BTreeMap<String, Vec<String>> =
            self.milestones.iter().map(|one| (one.id().to_owned(), one.terms.depends_on.clone())).collect();
        let places = (0..amendment.add.len()).map(|index| format!("add[{index}]"));
        let mut brought_in = Vec::new();
        for (item, place) in amendment.add.iter().zip(places) {
            let terms = self.added(item, &place)?;
            // One that is there already is not added: it opens an exception, whatever it waits for.
            if !self.knows(&terms.id) {
                brought_in.push((place, terms));
            }
        }
        let new: BTreeSet<String> = brought_in.iter().map(|(_, terms)| terms.id.clone()).collect();
        let mut wait = |place: &str, id: &str, ids: &[String]| {
            if let Some(unknown) = ids.iter().find(|id| !new.contains(*id) && !self.knows(id)) {
                let reason = format!("{unknown:?} is no milestone of this contract");
                return Err(FactError::new(&format!("{place}.depends_on"), reason));
            }
            let known = self.known_dependencies(ids);
            let added = ids.iter().filter(|id| new.contains(*id)).cloned();
            edges.insert(id.to_owned(), known.into_iter().chain(added).collect());
            cycle(&edges).map_or(Ok(()), |id| {
                let reason = format!("{id:?} would depend on itself, by way of others");
                Err(FactError::new(&format!("{place}.depends_on"), reason))
            })
        };
        for (place, terms) in &brought_in {
            wait(place, &terms.id, &terms.depends_on)?;
            if let Some(other) = numbered_like(&terms.id, |id| new.contains(id) || self.knows(id)) {
                let reason = format!("{:?} would number its invoice like a correction of {other:?}'s", terms.id);
                return Err(FactError::new(&format!("{place}.id"), reason));
            }
        }
        for (index, item) in amendment.change.iter().enumerate().filter(|(_, item)| item.get("depends_on").is_some()) {
            let Some(id) = item.get("id").and_then(Value::as_str) else { continue };
            let place = format!("change[{index}]");
            let known = self.milestones.iter().find(|one| one.id() == id && one.live()).map(|one| one.terms.clone());
            if known.is_some() {
                wait(&place, id, &self.changed(item, &place, known)?.depends_on)?;
            }
        }
        Ok(())
    }

    fn added(&self, item: &Value, place: &str) -> Result<MilestoneTerms, FactError> {
        let mut problems = Vec::new();
        let read = Reader::new(item.clone(), place.to_owned(), &mut problems).and_then(|mut reader| {
            let read = read_milestone(&mut reader, self.terms.currency, false);
            reader.finish();
            read
        });
        match (read, problems.first()) {
            (Some((terms, _)), None) => {
                self.known_obligation(terms.obligation.as_deref(), terms.billable, place)?;
                Ok(terms)
            }
            (_, problem) => Err(problem.map_or_else(
                || FactError::new(place, "is no milestone"),
                |problem| FactError::new(&problem.field, problem.reason.clone()),
            )),
        }
    }

    fn known_obligation(&self, id: Option<&str>, billable: bool, place: &str) -> Result<(), FactError> {
        let field = format!("{place}.obligation");
        match id {
            Some(id) if !self.terms.obligations.iter().any(|one| one.id == id) => {
                Err(FactError::new(&field, format!("{id:?} is no obligation of this contract")))
            }
            None if billable && self.terms.obligations.len() > 1 => {
                Err(FactError::new(&field, "is missing: there are several obligations"))
            }
            _ => Ok(()),
        }
    }

    /// A milestone with the fields of `item` changed.
    fn changed(&self, item: &Value, place: &str, known: Option<MilestoneTerms>) -> Result<MilestoneTerms, FactError> {
        let mut problems = Vec::new();
        let mut terms = known.ok_or_else(|| FactError::new(place, "there is no milestone to change"))?;
        if let Some(mut reader) = Reader::new(item.clone(), place.to_owned(), &mut problems) {
            let currency = self.terms.currency;
            let _ = reader.required_text("id");
            if let Some(name) = reader.text("name") {
                terms.name = name;
            }
            terms.description = reader.text("description").or(terms.description);
            terms.billable = reader.flag("billable", terms.billable);
            if let Some(amount) = reader.amount("amount", currency) {
                terms.amount = amount;
            }
            if !terms.billable {
                terms.amount = 0;
            }
            terms.advance = reader.choice("timing", &[("arrears", false), ("advance", true)], terms.advance);
            terms.completion = reader.choice("completion", &COMPLETIONS, terms.completion);
            if reader.has("trigger") || reader.has("trigger_date") || reader.has("usage_threshold") {
                terms.trigger = read_trigger(&mut reader);
            }
            if reader.has("invoice") || reader.has("invoice_within_days") {
                terms.invoice = read_invoice_rule(&mut reader);
            }
            terms.approver = reader.text("approver").or(terms.approver);
            terms.fallback_approver = reader.text("fallback_approver").or(terms.fallback_approver);
            if reader.has("evidence") {
                terms.evidence = reader.texts("evidence").into_iter().collect();
            }
            if reader.has("depends_on") {
                terms.depends_on = reader.texts("depends_on");
            }
            terms.obligation = reader.text("obligation").or(terms.obligation);
            terms.window_days = reader.count("window_days").or(terms.window_days);
            reader.finish();
        }
        match problems.first() {
            None => Ok(terms),
            Some(problem) => Err(FactError::new(&problem.field, problem.reason.clone())),
        }
    }

    /// A change order arrives.
    pub(super) fn amend(&mut self, amendment: &Amendment) {
        if amendment.version <= self.version {
            return self.open_event(Code::StaleAmendment, None, None);
        }
        if !amendment.signed {
            self.unsigned.insert(amendment.version);
            return self.open_event(Code::ChangeOrderNotSigned, None, None);
        }
        self.version = amendment.version;
        let version = self.version;
        self.unsigned.retain(|unsigned| *unsigned > version);
        if self.unsigned.is_empty() {
            self.clear(&Key::new(Code::ChangeOrderNotSigned, None, None));
        }
        let minor = |value: Option<DecimalText>| {
            value.and_then(|value| self.terms.currency.from_decimal(value.0)).map(|money| money.minor())
        };
        let (total, cap) = (minor(amendment.total), minor(amendment.cap));
        self.total = total.unwrap_or(self.total);
        self.cap = cap.or(self.cap);
        let recognised = self.recognised_by_milestone();
        for item in &amendment.add {
            self.add_milestone(item);
        }
        for item in &amendment.change {
            self.change_milestone(item);
        }
        for id in &amendment.remove {
            self.remove_milestone(id);
        }
        match amendment.treatment {
            Treatment::Prospective if self.may_look_forward(&recognised) => self.allocate_forward(recognised),
            Treatment::CatchUp | Treatment::Prospective => self.allocate(),
        }
    }

    fn add_milestone(&mut self, item: &Value) {
        let Ok(mut terms) = self.added(item, "add") else { return };
        if self.knows(&terms.id) {
            return self.open_event(Code::DuplicateMilestone, Some(&terms.id), None);
        }
        terms.depends_on = self.known_dependencies(&terms.depends_on);
        let id = terms.id.clone();
        self.milestones.push(Milestone::new(terms, Some(self.as_of)));
        self.without_deemed_clause(&id);
    }

    /// Dependencies as they stand today: a split milestone is its parts.
    fn known_dependencies(&self, ids: &[String]) -> Vec<String> {
        let mut known = Vec::new();
        for id in ids {
            let parts = self.milestones.iter().filter(|one| one.id() == id || one.ancestors.contains(id));
            known.extend(parts.map(|one| one.id().to_owned()));
        }
        known
    }

    fn change_milestone(&mut self, item: &Value) {
        let Some(id) = item.get("id").and_then(Value::as_str) else { return };
        let place = self.milestones.iter().position(|one| one.id() == id && one.live());
        let Some(index) = place else { return self.open_event(Code::UnknownMilestone, Some(id), None) };
        let former = self.milestones.get(index).map(|one| one.terms.clone());
        let Ok(mut terms) = self.changed(item, "change", former.clone()) else { return };
        if former.as_ref().is_some_and(|former| former.depends_on != terms.depends_on) {
            terms.depends_on = self.known_dependencies(&terms.depends_on);
        }
        let (before, after) = (former.map_or(0, |former| former.amount), terms.amount);
        let Some(one) = self.milestones.get_mut(index) else { return };
        one.terms = terms;
        if one.invoiced_on.is_some() && before != after {
            self.correct(index, after.saturating_sub(before));
        }
    }

    fn remove_milestone(&mut self, id: &str) {
        let place = self.milestones.iter().position(|one| one.id() == id && one.live());
        let Some(index) = place else { return self.open_event(Code::UnknownMilestone, Some(id), None) };
        let billed = self.milestones.get(index).map_or(0, |one| one.billed);
        if billed > 0 {
            self.correct(index, billed.saturating_neg());
        }
        let today = self.as_of;
        if let Some(one) = self.milestones.get_mut(index) {
            one.cancelled_on = Some(today);
            one.terms.amount = 0;
        }
    }

    pub(super) fn without_deemed_clause(&mut self, id: &str) {
        let declared = |one: &&Milestone| one.id() == id && one.terms.completion == Completion::VendorDeclaration;
        if !self.terms.acceptance.deemed && self.milestones.iter().any(|one| declared(&one)) {
            self.open_event(Code::NoDeemedClause, Some(id), None);
        }
    }
}
