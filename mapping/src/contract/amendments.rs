//! Amendments, sections 6 and 14 of the rules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::differences::{Difference, told};
use super::exceptions::Key;
use super::state::{Contract, Milestone, Phase, Stage};
use crate::fact::{Amendment, DecimalText, HIGHEST_VERSION, Treatment};
use crate::money::Minor;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::rules::Code;
use crate::schema::FileKind;
use crate::terms::{Acceptance, Method, MilestoneTerms, Obligation, PaymentTerms, cycle, fit_together, numbered_like};

/// What an amendment may change that decides how the price is allocated.
#[derive(PartialEq)]
struct Allocated {
    total: Minor,
    milestones: Vec<(String, Minor, bool, Option<String>)>,
    obligations: Vec<Obligation>,
}

impl Contract {
    /// Whether an amendment can be read with the present terms.
    pub(super) fn check_amendment(&self, amendment: &Amendment) -> Result<(), Problem> {
        if amendment.version > HIGHEST_VERSION {
            let reason = format!("{} is more than {HIGHEST_VERSION}", amendment.version);
            return Err(wrong("version", reason));
        }
        for (field, value) in [("total", amendment.total), ("cap", amendment.cap)] {
            let Some(value) = value else { continue };
            if value.0 < Decimal::ZERO || self.terms.currency.from_decimal(value.0).is_none() {
                return Err(wrong(field, format!("{value} is no amount of {}", self.terms.currency)));
            }
        }
        self.terms_of(amendment)?;
        let obligations = self.obligations_with(amendment)?;
        for (index, item) in amendment.add.iter().enumerate() {
            self.added(item, &format!("add[{index}]"), &obligations)?;
        }
        for (index, item) in amendment.change.iter().enumerate() {
            let path = format!("change[{index}]");
            let Some(id) = item.get("id").and_then(Value::as_str) else {
                return Err(wrong(&format!("{path}.id"), "is missing"));
            };
            // The fields are read whether or not the milestone is known: a malformed one is a bad fact.
            let known = self.milestones.iter().find(|milestone| milestone.id() == id).or(self.milestones.first());
            self.changed(item, &path, known.map(|milestone| &milestone.terms), &obligations)?;
        }
        Ok(())
    }

    /// What an amendment that applies brings in: what milestones wait for is known, none waits for itself, and no two
    /// documents would bear one number.
    pub(super) fn check_items(&self, amendment: &Amendment) -> Result<(), Problem> {
        if amendment.version <= self.version || !amendment.signed {
            return Ok(());
        }
        let obligations = self.obligations_with(amendment)?;
        // Place, terms, and whether what they depend on is to be looked at.
        let mut items: Vec<(String, MilestoneTerms, bool)> = Vec::new();
        for (index, item) in amendment.add.iter().enumerate() {
            let path = format!("add[{index}]");
            let terms = self.added(item, &path, &obligations)?;
            // One that is there already is not added: it opens an exception, whatever it waits for.
            if !self.knows(&terms.id) {
                items.push((path, terms, true));
            }
        }
        let new: BTreeSet<String> = items.iter().map(|(_, terms, _)| terms.id.clone()).collect();
        for (place, terms, _) in &items {
            if let Some(other) = numbered_like(&terms.id, |id| new.contains(id) || self.knows(id)) {
                let reason = format!("{:?} would number its invoice like a correction of {other:?}'s", terms.id);
                return Err(wrong(&format!("{place}.id"), reason));
            }
        }
        for (index, item) in amendment.change.iter().enumerate() {
            let Some(id) = item.get("id").and_then(Value::as_str) else { continue };
            let path = format!("change[{index}]");
            let Some(changed) = self.milestones.iter().find(|milestone| milestone.id() == id && milestone.live())
            else {
                continue;
            };
            let terms = self.changed(item, &path, Some(&changed.terms), &obligations)?;
            items.push((path, terms, item.get("depends_on").is_some()));
        }
        self.check_links(&items, &new)?;
        let unchanged = self.milestones.iter().map(|milestone| &milestone.terms);
        if !fit_together(unchanged.chain(items.iter().map(|(_, terms, _)| terms))) {
            let reason = format!("the amounts of {} sum to more than can be counted in minor units", self.terms.id);
            return Err(wrong("change", reason));
        }
        Ok(())
    }

    /// The milestones that items depend on, or wait for, are there or come in with them; none depends on itself.
    fn check_links(&self, items: &[(String, MilestoneTerms, bool)], new: &BTreeSet<String>) -> Result<(), Problem> {
        let known = |id: &str| new.contains(id) || self.knows(id);
        let mut edges: BTreeMap<String, Vec<String>> = self
            .milestones
            .iter()
            .map(|milestone| (milestone.id().to_owned(), milestone.terms.depends_on.clone()))
            .collect();
        for (place, terms, depends) in items {
            if *depends {
                if let Some(unknown) = terms.depends_on.iter().find(|id| !known(id)) {
                    return Err(unknown_milestone(&format!("{place}.depends_on"), unknown));
                }
                let there = self.known_dependencies(&terms.depends_on);
                let added = terms.depends_on.iter().filter(|id| new.contains(*id)).cloned();
                edges.insert(terms.id.clone(), there.into_iter().chain(added).collect());
                if let Some(id) = cycle(&edges) {
                    let reason = format!("{id:?} would depend on itself, by way of others");
                    return Err(wrong(&format!("{place}.depends_on"), reason));
                }
            }
            if let Some(unknown) = terms.trigger.names().find(|id| !known(id)) {
                return Err(unknown_milestone(&format!("{place}.conditions"), unknown));
            }
        }
        Ok(())
    }

    fn added(&self, item: &Value, path: &str, obligations: &[Obligation]) -> Result<MilestoneTerms, Problem> {
        let read =
            |reader: &mut Reader<'_>| MilestoneTerms::read(reader, self.terms.currency, false).map(|(terms, _)| terms);
        let terms = read_item(item.clone(), path, read)?;
        known_obligation(&terms, path, obligations)?;
        Ok(terms)
    }

    /// A milestone with the fields of `item` changed.
    fn changed(
        &self,
        item: &Value,
        path: &str,
        known: Option<&MilestoneTerms>,
        obligations: &[Obligation],
    ) -> Result<MilestoneTerms, Problem> {
        let known = known.ok_or_else(|| wrong(path, "there is no milestone to change"))?;
        let fields = overlaid(known.fields(self.terms.currency), item, path)?;
        let read =
            |reader: &mut Reader<'_>| MilestoneTerms::read(reader, self.terms.currency, false).map(|(terms, _)| terms);
        let terms = read_item(Value::Object(fields), path, read)?;
        if item.get("obligation").is_some() || item.get("billable").is_some() {
            known_obligation(&terms, path, obligations)?;
        }
        Ok(terms)
    }

    /// The obligations as an amendment leaves them.
    fn obligations_with(&self, amendment: &Amendment) -> Result<Vec<Obligation>, Problem> {
        let mut obligations = self.terms.obligations.clone();
        for (index, item) in amendment.obligations.iter().enumerate() {
            let path = format!("obligations[{index}]");
            let known = item.get("id").and_then(Value::as_str);
            let known = obligations.iter_mut().find(|obligation| Some(obligation.id.as_str()) == known);
            let fields = known.as_ref().map_or_else(Map::new, |obligation| obligation.fields(self.terms.currency));
            let fields = overlaid(fields, item, &path)?;
            let read = |reader: &mut Reader<'_>| Obligation::read(reader, self.terms.currency);
            let read = read_item(Value::Object(fields), &path, read)?;
            match known {
                Some(known) => *known = read,
                None => obligations.push(read),
            }
        }
        let worthless = !obligations.is_empty() && obligations.iter().all(|obligation| obligation.ssp == Minor::ZERO);
        if worthless && !amendment.obligations.is_empty() {
            return Err(wrong("obligations", "at least one standalone selling price must be above 0"));
        }
        Ok(obligations)
    }

    /// The contract's own terms that an amendment sets: payment terms, acceptance.
    fn terms_of(&self, amendment: &Amendment) -> Result<(PaymentTerms, bool, i8, Acceptance), Problem> {
        let payment_terms = match &amendment.payment_terms {
            Some(text) => text.parse().map_err(|reason| wrong("payment_terms", reason))?,
            None => self.terms.payment_terms,
        };
        let from_acceptance = match amendment.payment_terms_from.as_deref() {
            None => self.terms.due_from_acceptance,
            Some("invoice") => false,
            Some("acceptance") => true,
            Some(other) => {
                return Err(wrong("payment_terms_from", format!("{other:?} is none of invoice, acceptance")));
            }
        };
        let cycle_day = match amendment.billing_cycle_day.map(i8::try_from) {
            None => self.terms.billing_cycle_day,
            Some(Ok(day)) if (1..=31).contains(&day) => day,
            Some(_) => return Err(wrong("billing_cycle_day", "must be from 1 to 31")),
        };
        let mut table = Map::new();
        if let Some(acceptance) = &amendment.acceptance {
            table.insert("acceptance".into(), acceptance.clone());
        }
        let before = self.terms.acceptance.clone();
        let acceptance = read_item(Value::Object(table), "", |reader| Some(Acceptance::read(reader, before)))?;
        Ok((payment_terms, from_acceptance, cycle_day, acceptance))
    }

    /// A change order arrives, or the date comes for which one has waited.
    pub(super) fn amend(&mut self, amendment: &Amendment, on: Date) {
        if amendment.version <= self.version {
            let said = told("version", Some(self.version.to_string()), format!("{} of {on}", amendment.version));
            return self.open_event_of(Code::StaleAmendment, None, said);
        }
        if !amendment.signed {
            self.unsigned.insert(amendment.version);
            return self.open_event(Code::ChangeOrderNotSigned, None, None);
        }
        let on = self.amended_on.map_or(on, |before| before.max(on));
        self.amended_on = Some(on);
        self.relearn(on);
        self.version = amendment.version;
        let version = self.version;
        self.unsigned.retain(|unsigned| *unsigned > version);
        if self.unsigned.is_empty() {
            self.clear(&Key::new(Code::ChangeOrderNotSigned, None, None));
        }
        let before = self.allocated();
        let recognised = self.recognised_by_milestone(on);
        let minor = |value: Option<DecimalText>| {
            value.and_then(|value| self.terms.currency.from_decimal(value.0)).map(|money| money.units())
        };
        let (total, cap) = (minor(amendment.total), minor(amendment.cap));
        self.total = total.unwrap_or(self.total);
        self.cap = cap.or(self.cap);
        let clause_before: BTreeMap<String, (bool, bool)> = self
            .milestones
            .iter()
            .map(|milestone| {
                (milestone.id().to_owned(), (self.has_deemed_clause(milestone), self.lacks_deemed_clause(milestone)))
            })
            .collect();
        let remeasured = self.set_terms(amendment);
        for item in &amendment.add {
            self.add_milestone(item, on);
        }
        let bore: Vec<Minor> = self.milestones.iter().map(|milestone| self.documents_bear(milestone)).collect();
        let mut touched: Vec<usize> = Vec::new();
        touched.extend(amendment.change.iter().filter_map(|item| self.change_milestone(item, on)));
        touched.extend(amendment.remove.iter().filter_map(|id| self.remove_milestone(id, on)));
        // Of what it changes and removes, in its order, documents are corrected once.
        let mut corrected = BTreeSet::new();
        for index in touched {
            if let Some(bore) = bore.get(index).filter(|_| corrected.insert(index)) {
                self.judge_evidence(index);
                self.correct_after(index, *bore);
            }
        }
        self.judge_clauses(&clause_before, on);
        if self.allocated() != before {
            match amendment.treatment {
                Treatment::Prospective if !remeasured && self.may_look_forward(&recognised) => {
                    self.allocate_forward(on, &recognised);
                }
                Treatment::CatchUp | Treatment::Prospective => self.allocate(on),
            }
        }
    }

    /// What the allocation follows from.
    fn allocated(&self) -> Allocated {
        let live = self.milestones.iter().filter(|milestone| milestone.live());
        let of = |milestone: &Milestone| {
            let obligation = self.obligation_index(milestone).and_then(|index| self.terms.obligations.get(index));
            (
                milestone.id().to_owned(),
                milestone.terms.amount,
                milestone.terms.billable,
                obligation.map(|known| known.id.clone()),
            )
        };
        Allocated { total: self.total, milestones: live.map(of).collect(), obligations: self.terms.obligations.clone() }
    }

    /// Sets the contract's own terms. Returns whether an obligation is measured in another way than before.
    fn set_terms(&mut self, amendment: &Amendment) -> bool {
        // What cannot be read was refused when the amendment was checked.
        let (Ok((payment_terms, from_acceptance, cycle_day, acceptance)), Ok(obligations)) =
            (self.terms_of(amendment), self.obligations_with(amendment))
        else {
            return false;
        };
        let measured = |obligations: &[Obligation]| -> Vec<(String, Method)> {
            obligations.iter().map(|obligation| (obligation.id.clone(), obligation.method)).collect()
        };
        let before = measured(&self.terms.obligations);
        let remeasured = measured(&obligations).iter().zip(&before).any(|(after, before)| after != before);
        if obligations.len() > 1 {
            self.stay_with_the_only_obligation();
        }
        let terms = &mut self.terms;
        terms.payment_terms = payment_terms;
        terms.due_from_acceptance = from_acceptance;
        terms.billing_cycle_day = cycle_day;
        terms.acceptance = acceptance;
        terms.obligations = obligations;
        terms.partial_acceptance = amendment.partial_acceptance.unwrap_or(terms.partial_acceptance);
        if let Some(customer) = &amendment.customer {
            terms.customer.clone_from(customer);
        }
        terms.po_number = amendment.po_number.clone().or(terms.po_number.take());
        remeasured
    }

    /// Milestones that name no obligation belong to the only one there is, also after a change order has brought in others.
    fn stay_with_the_only_obligation(&mut self) {
        let [only] = self.terms.obligations.as_slice() else { return };
        for milestone in self.milestones.iter_mut().filter(|milestone| milestone.terms.obligation.is_none()) {
            milestone.terms.obligation = Some(only.id.clone());
        }
    }

    fn add_milestone(&mut self, item: &Value, on: Date) {
        let Ok(mut terms) = self.added(item, "add", &self.terms.obligations) else { return };
        if self.knows(&terms.id) {
            let known = self.milestones.iter().find(|milestone| milestone.id() == terms.id);
            let there = match known.map(|milestone| (milestone.cancelled_on, milestone.terms.amount)) {
                Some((None, amount)) => format!("{} of {}", terms.id, self.in_words(amount)),
                Some((Some(gone), _)) => format!("{}, removed on {gone}", terms.id),
                None => format!("{}, accepted in parts", terms.id),
            };
            let said = format!("{} of {} in version {}, of {on}", terms.id, self.in_words(terms.amount), self.version);
            let said = told("milestone", Some(there), said);
            return self.open_event_of(Code::DuplicateMilestone, Some(&terms.id), said);
        }
        terms.depends_on = self.known_dependencies(&terms.depends_on);
        self.milestones.push(Milestone::new(terms, Some(on)));
    }

    /// Dependencies as they stand today: a split milestone is its parts.
    fn known_dependencies(&self, ids: &[String]) -> Vec<String> {
        let mut known = Vec::new();
        for id in ids {
            known.extend(
                self.milestones
                    .iter()
                    .filter(|milestone| milestone.is_of(id))
                    .map(|milestone| milestone.id().to_owned()),
            );
        }
        known
    }

    /// Changes a milestone. Gives its place.
    fn change_milestone(&mut self, item: &Value, on: Date) -> Option<usize> {
        let id = item.get("id").and_then(Value::as_str)?;
        let place = self.milestones.iter().position(|milestone| milestone.id() == id && milestone.live());
        let Some((index, milestone)) = place.and_then(|index| Some((index, self.milestones.get(index)?))) else {
            self.open_event(Code::UnknownMilestone, Some(id), None);
            return None;
        };
        let former = milestone.terms.clone();
        let mut terms = self.changed(item, "change", Some(&former), &self.terms.obligations).ok()?;
        if former.depends_on != terms.depends_on {
            terms.depends_on = self.known_dependencies(&terms.depends_on);
        }
        let asks_otherwise = former.evidence != terms.evidence;
        if let Some(milestone) = self.milestones.get_mut(index) {
            milestone.former.push((on, former));
            milestone.terms = terms;
        }
        if asks_otherwise {
            self.begin_window(index, Some(on));
        }
        Some(index)
    }

    /// An amended milestone's documents are corrected for what they lack or exceed.
    fn correct_after(&mut self, index: usize, bore: Minor) {
        let Some(milestone) = self.milestones.get(index) else { return };
        let bears = self.documents_bear(milestone);
        let billed = milestone.billing.billed();
        let difference = bears - billed;
        let id = milestone.id().to_owned();
        if !milestone.is_invoiced() || bears == bore {
            return;
        }
        let amended = self.amended_on.map(|on| format!(", of {on}")).unwrap_or_default();
        let agreed = format!("{} by version {}{amended}", self.in_words(bears), self.version);
        let computed = Some(self.in_words(billed));
        let said = Difference { what: "billed".into(), agreed: Some(agreed), seen: None, computed };
        if difference != Minor::ZERO && self.may_issue() && !self.is_held(index) {
            self.correct(index, difference);
        }
        self.open_event_of(Code::AmendedAfterInvoice, Some(&id), said);
    }

    /// Removes a milestone. Gives its place.
    fn remove_milestone(&mut self, id: &str, on: Date) -> Option<usize> {
        let place = self.milestones.iter().position(|milestone| milestone.id() == id && milestone.live());
        let release = self.terms.retainage.as_ref().map(|retainage| retainage.release.as_str());
        let releases = place
            .and_then(|index| self.milestones.get(index))
            .is_some_and(|milestone| release.is_some_and(|id| milestone.is_of(id)));
        let Some(index) = place.filter(|_| !releases) else {
            self.open_event(Code::UnknownMilestone, Some(id), None);
            return None;
        };
        if let Some(milestone) = self.milestones.get_mut(index) {
            let former = milestone.terms.clone();
            milestone.former.push((on, former));
            milestone.cancelled_on = Some(on);
            milestone.terms.amount = Minor::ZERO;
        }
        Some(index)
    }

    /// A deemed clause that an amendment brings lets the windows of submitted milestones begin anew; one that it takes away,
    /// or completion that silence cannot accept, is told.
    fn judge_clauses(&mut self, before: &BTreeMap<String, (bool, bool)>, on: Date) {
        for index in 0..self.milestones.len() {
            let Some(milestone) = self.milestones.get(index) else { continue };
            let id = milestone.id().to_owned();
            let (had, lacked) = before.get(&id).copied().unwrap_or((true, false));
            let (has, lacks) = (self.has_deemed_clause(milestone), self.lacks_deemed_clause(milestone));
            let submitted = milestone.stage == Stage::Submitted;
            if let Some(milestone) = self.milestones.get_mut(index).filter(|_| has && !had) {
                milestone.deemed_since = Some(on);
                if submitted {
                    milestone.window_end = None;
                }
                self.begin_window(index, Some(on));
            }
            if self.terms.acceptance.deemed {
                self.clear_code(Code::NoDeemedClause, &id);
            } else if lacks && !lacked && self.phase != Phase::History {
                self.open_event(Code::NoDeemedClause, Some(&id), None);
            }
        }
    }

    /// What the terms lack when the contract's first day begins.
    pub(super) fn judge_terms(&mut self) {
        if self.terms.obligations.is_empty() {
            self.open_event(Code::RecognitionMethodMissing, None, None);
        }
        let lacking = self.milestones.iter().filter(|milestone| self.lacks_deemed_clause(milestone));
        let ids: Vec<String> = lacking.map(|milestone| milestone.id().to_owned()).collect();
        for id in ids {
            self.open_event(Code::NoDeemedClause, Some(&id), None);
        }
    }
}

/// A problem of a field of a change order.
fn wrong(field: &str, reason: impl Into<String>) -> Problem {
    FileKind::ChangeOrder.problem(field, reason)
}

fn unknown_milestone(field: &str, id: &str) -> Problem {
    wrong(field, format!("{id:?} is no milestone of this contract"))
}

fn known_obligation(terms: &MilestoneTerms, path: &str, obligations: &[Obligation]) -> Result<(), Problem> {
    let field = format!("{path}.obligation");
    match &terms.obligation {
        Some(id) if !obligations.iter().any(|obligation| obligation.id == *id) => {
            Err(wrong(&field, format!("{id:?} is no obligation of this contract")))
        }
        None if terms.billable && obligations.len() > 1 => {
            Err(wrong(&field, "is missing: there are several obligations"))
        }
        _ => Ok(()),
    }
}

/// The fields that there are, with those of an item in their place.
fn overlaid(mut fields: Map<String, Value>, item: &Value, path: &str) -> Result<Map<String, Value>, Problem> {
    let Value::Object(item) = item else { return Err(wrong(path, "must be a table of fields")) };
    fields.extend(item.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
    Ok(fields)
}

/// Reads an item of an amendment; the first problem is told.
fn read_item<T>(item: Value, path: &str, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, Problem> {
    let mut problems = Vec::new();
    let read = Reader::new(item, path.to_owned(), FileKind::ChangeOrder, &mut problems).and_then(|mut reader| {
        let value = read(&mut reader);
        reader.finish();
        value
    });
    match (read, problems.into_iter().next()) {
        (Some(value), None) => Ok(value),
        (_, Some(problem)) => Err(problem),
        (None, None) => Err(wrong(path, "cannot be read")),
    }
}
