//! What others see of a contract: the report of section 9, milestones, journal.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::approval::Approval;
use super::books::{DatedEntry, PositionView};
use super::documents::IssuedDocument;
use super::exceptions::ExceptionRecord;
use super::state::{Contract, Milestone, MilestoneStatus, Stage};
use crate::command::Side;
use crate::counted::counted;
use crate::fact::Shown;
use crate::money::{Minor, Money, grouped};
use crate::rules::Severity;
use crate::terms::{Completion, Method, Terms};

/// A milestone as people see it. Dates are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MilestoneView {
    /// Id.
    pub id: String,
    /// The agreement's milestone of which this is a part.
    pub parent: Option<String>,
    /// Name.
    pub name: String,
    /// How far it has come.
    pub status: MilestoneStatus,
    /// Agreed amount.
    pub amount: Money,
    /// Amount of revenue; `None` where the contract has no obligations.
    pub recognition_amount: Option<Money>,
    /// Acceptance date.
    pub accepted_on: Option<Date>,
    /// Accepted by silence.
    pub deemed: bool,
    /// First and last day of the latest acceptance window.
    pub window: Option<(Date, Option<Date>)>,
    /// Date of the first invoice.
    pub invoiced_on: Option<Date>,
    /// Due date of the first invoice.
    pub due_on: Option<Date>,
    /// Link to the acceptance document.
    pub document: Option<String>,
    /// Codes of open blocking exceptions.
    pub blocked_by: Vec<String>,
    /// Whether its invoice waits for a reviewer.
    pub approval: Approval,
    /// Of what an approval was that a change has made void since.
    pub void_approval: Option<Shown>,
}

/// The output document of section 9 of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub(super) contract: String,
    pub(super) currency: String,
    pub(super) as_of: Date,
    pub(super) milestones: Vec<ReportMilestone>,
    pub(super) invoices: Vec<ReportInvoice>,
    pub(super) journal: Vec<ReportEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opening: Option<ReportPosition>,
    pub(super) exceptions: Vec<ExceptionRow>,
    pub(super) position: ReportPosition,
    pub(super) remaining_to_bill: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReportMilestone {
    pub(super) id: String,
    pub(super) status: &'static str,
    pub(super) amount: String,
    pub(super) recognition_amount: Option<String>,
    pub(super) accepted_on: Option<Date>,
    pub(super) deemed: bool,
    pub(super) invoiced_on: Option<Date>,
    pub(super) due_on: Option<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReportInvoice {
    pub(super) number: String,
    pub(super) kind: &'static str,
    pub(super) milestone: String,
    pub(super) date: Date,
    pub(super) due_on: Date,
    pub(super) amount: String,
    pub(super) description: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReportEntry {
    pub(super) date: Date,
    pub(super) lines: Vec<ReportLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReportLine {
    account: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    debit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ExceptionRow {
    pub(super) code: &'static str,
    pub(super) milestone: Option<String>,
    pub(super) leg: Option<crate::fact::Leg>,
    pub(super) severity: Severity,
    pub(super) opened_on: Date,
    pub(super) closed_on: Option<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReportPosition {
    billed: String,
    recognised: String,
    accounts_receivable: String,
    unbilled_receivable: String,
    contract_asset: String,
    deferred_revenue: String,
    revenue: String,
    cash: String,
}

impl Contract {
    /// Terms in force; milestones, total, cap and version as filed: amendments of those show elsewhere.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Facts applied so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Amendment version in force.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Transaction price as amended.
    pub fn total(&self) -> Money {
        self.terms.money(self.total)
    }

    /// Total less billed.
    pub fn remaining_to_bill(&self) -> Money {
        self.terms.money(self.total - self.billed())
    }

    /// Purchase order and payment terms that a document of a milestone bears: the milestone's own, else the contract's.
    pub(crate) fn paper_terms(&self, id: &str) -> (Option<String>, String) {
        let own = self.milestones.iter().find(|milestone| milestone.id() == id).map(|milestone| &milestone.terms);
        let po_number = own.and_then(|own| own.po_number.clone()).or_else(|| self.terms.po_number.clone());
        let payment_terms = own.and_then(|own| own.payment_terms).unwrap_or(self.terms.payment_terms);
        (po_number, payment_terms.to_string())
    }

    /// Documents in the order in which they came about, adopted and withdrawn ones too.
    pub fn documents(&self) -> &[IssuedDocument] {
        &self.documents
    }

    /// Exceptions in the order in which they opened, closed ones too.
    pub fn exceptions(&self) -> &[ExceptionRecord] {
        &self.exceptions
    }

    /// Balances now.
    pub fn position(&self) -> PositionView {
        self.position_now().view(&self.terms)
    }

    /// A milestone's id, and before it those of the milestones that it is a part of: `M1`, `M1b`, `M1ba`.
    pub fn lineage(&self, id: &str) -> Vec<String> {
        let known = self.milestones.iter().find(|milestone| milestone.id() == id);
        let mut lineage = known.map(|milestone| milestone.ancestors.clone()).unwrap_or_default();
        lineage.push(id.to_owned());
        lineage
    }

    /// Milestones in contract order, parts in place of what they are parts of.
    pub fn milestones(&self) -> Vec<MilestoneView> {
        (0..self.milestones.len()).filter_map(|index| self.milestone_view(index)).collect()
    }

    fn milestone_view(&self, index: usize) -> Option<MilestoneView> {
        let milestone = self.milestones.get(index)?;
        let recognition = (!self.terms.obligations.is_empty()).then(|| {
            self.terms.money(self.allocation().map_or(Minor::ZERO, |allocation| allocation.of(milestone.id())))
        });
        let awaited = milestone.counts() && !milestone.is_invoiced();
        let blocking = self.blocking(milestone).filter(|_| awaited);
        Some(MilestoneView {
            id: milestone.id().into(),
            parent: milestone.ancestors.first().cloned(),
            name: milestone.terms.name.clone(),
            status: self.status(milestone),
            amount: self.terms.money(milestone.terms.amount),
            recognition_amount: recognition,
            accepted_on: milestone.accepted_on,
            deemed: milestone.deemed,
            window: milestone.window_start.map(|start| (start, milestone.window_end)),
            invoiced_on: milestone.billing.invoiced_on,
            due_on: milestone.billing.due_on,
            document: milestone.document.clone(),
            blocked_by: blocking.map(|code| code.name().into()).collect(),
            approval: self.approval(milestone),
            void_approval: milestone.void_approval.clone(),
        })
    }

    /// How far a milestone has come.
    pub(super) fn status(&self, milestone: &Milestone) -> MilestoneStatus {
        if !milestone.live() {
            return MilestoneStatus::Cancelled;
        }
        if milestone.is_invoiced() {
            return if self.paid(milestone.id()) >= milestone.billing.billed() {
                MilestoneStatus::Paid
            } else {
                MilestoneStatus::Invoiced
            };
        }
        milestone.stage.into()
    }

    /// What is agreed for the contract as a whole, with the name of each term.
    pub fn terms_in_words(&self) -> Vec<(&'static str, String)> {
        let (terms, acceptance) = (&self.terms, &self.terms.acceptance);
        let from = if terms.due_from_acceptance { ", from the acceptance" } else { ", from the invoice" };
        let silence = if acceptance.deemed { "silence is acceptance" } else { "silence is no acceptance" };
        let optional = [
            ("Purchase order", terms.po_number.clone()),
            ("Cap", self.cap.map(|cap| terms.money(cap).to_string())),
            (
                "Retainage",
                terms
                    .retainage
                    .as_ref()
                    .map(|retainage| format!("{} %, until {} is accepted", retainage.percent, retainage.release)),
            ),
            ("Books from", terms.books_from.map(|date| date.to_string())),
        ];
        let mut words = vec![
            ("Signed on", terms.signed_on.to_string()),
            ("Payment terms", format!("{}{from}", terms.payment_terms)),
            ("Billing-cycle day", terms.billing_cycle_day.to_string()),
            ("Acceptance", format!("{}, {silence}", counted(acceptance.window_days, "business day"))),
            (
                "After a rejection",
                format!(
                    "{} to cure, at most {}",
                    counted(acceptance.cure_days, "day"),
                    counted(acceptance.max_cures, "time")
                ),
            ),
            ("Acceptance in part", if terms.partial_acceptance { "allowed" } else { "not allowed" }.into()),
            ("Calendar and time zone", format!("{}, {}", terms.calendar, terms.timezone)),
        ];
        words.extend(optional.into_iter().filter_map(|(name, text)| Some((name, text?))));
        words
    }

    /// The clause of a milestone in the words of section 2 of the rules, field by field; none: there is no such milestone.
    pub fn clause(&self, id: &str) -> Vec<(String, String)> {
        let Some(milestone) = self.milestones.iter().find(|milestone| milestone.id() == id) else { return Vec::new() };
        let fields = milestone.terms.fields(self.terms.currency).into_iter().filter(|(_, value)| !value.is_null());
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Array(items) => {
                let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), Into::into));
                texts.collect::<Vec<String>>().join(", ")
            }
            other => other.to_string(),
        };
        let told = fields.map(|(name, value)| match name.as_str() {
            "amount" => (name, grouped(&text(value))),
            _ => (name, text(value)),
        });
        told.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// Whether an acceptance of this milestone needs a document.
    pub fn needs_document(&self, id: &str) -> bool {
        let milestone = self.find(id).and_then(|index| self.milestones.get(index));
        milestone.is_some_and(|milestone| {
            milestone.stage != Stage::Accepted && milestone.terms.completion == Completion::CustomerSignoff
        })
    }

    /// Whether the acceptance of this milestone recognises its revenue; under a method that goes by cost or time it does not.
    pub fn recognises_at_acceptance(&self, id: &str) -> bool {
        let milestone = self.milestones.iter().find(|milestone| milestone.id() == id);
        milestone
            .and_then(|milestone| self.method_of(milestone))
            .is_some_and(|method| matches!(method, Method::Output | Method::PointInTime))
    }

    /// The performance obligation of a milestone; `None`: the contract has none.
    pub fn obligation_of(&self, id: &str) -> Option<&str> {
        let milestone = self.milestones.iter().find(|milestone| milestone.id() == id)?;
        self.terms.obligations.get(self.obligation_index(milestone)?).map(|obligation| obligation.id.as_str())
    }

    /// The date on which the revenue of a milestone was booked: of its acceptance, or a later one where that was closed.
    pub fn booked_on(&self, id: &str) -> Option<Date> {
        self.milestones.iter().find(|milestone| milestone.id() == id)?.booked_on
    }

    /// Whether a system event is this milestone's acceptance.
    pub fn accepts_by_event(&self, id: &str) -> bool {
        let milestone = self.find(id).and_then(|index| self.milestones.get(index));
        milestone.is_some_and(|milestone| milestone.terms.completion == Completion::ExternalEvent)
    }

    /// What an open blocking exception holds back: the amounts of milestones that it concerns and that are not billed.
    pub fn amount_held(&self, exception: &ExceptionRecord) -> Option<Money> {
        if exception.severity != Severity::Blocking || exception.closed_on.is_some() {
            return None;
        }
        let concerned = |milestone: &&Milestone| {
            exception.milestone.as_ref().is_none_or(|id| id == milestone.id() || milestone.ancestors.contains(id))
        };
        let open =
            self.milestones.iter().filter(|milestone| milestone.counts() && !milestone.is_invoiced()).filter(concerned);
        Some(self.terms.money(open.map(|milestone| milestone.terms.amount).sum()))
    }

    /// The output document of section 9 of the rules.
    pub fn report(&self) -> Report {
        let text = |money: Money| money.to_string();
        let milestones = self.milestones().into_iter().map(|milestone| ReportMilestone {
            id: milestone.id,
            status: milestone.status.name(),
            amount: text(milestone.amount),
            recognition_amount: milestone.recognition_amount.map(text),
            accepted_on: milestone.accepted_on,
            deemed: milestone.deemed,
            invoiced_on: milestone.invoiced_on,
            due_on: milestone.due_on,
        });
        let mut documents: Vec<&IssuedDocument> =
            self.documents.iter().filter(|document| !document.withdrawn).collect();
        documents.sort_by_key(|document| document.date);
        let invoices = documents.into_iter().map(|document| ReportInvoice {
            number: document.number.clone(),
            kind: document.kind.name(),
            milestone: document.milestone.clone(),
            date: document.date,
            due_on: document.due_on,
            amount: text(document.amount),
            description: document.description.clone(),
        });
        let exceptions = self.exceptions.iter().map(|exception| ExceptionRow {
            code: exception.code.name(),
            milestone: exception.milestone.clone(),
            leg: exception.leg,
            severity: exception.severity,
            opened_on: exception.opened_on,
            closed_on: exception.closed_on,
        });
        Report {
            contract: self.terms.id.clone(),
            currency: self.terms.currency.to_string(),
            as_of: self.as_of,
            milestones: milestones.collect(),
            invoices: invoices.collect(),
            journal: self.journal().into_iter().map(report_entry).collect(),
            opening: self.opening().map(|opening| report_position(opening.view(&self.terms))),
            exceptions: exceptions.collect(),
            position: report_position(self.position()),
            remaining_to_bill: text(self.remaining_to_bill()),
        }
    }
}

pub(super) fn report_position(position: PositionView) -> ReportPosition {
    let text = |money: Money| money.to_string();
    ReportPosition {
        billed: text(position.billed),
        recognised: text(position.recognised),
        accounts_receivable: text(position.accounts_receivable),
        unbilled_receivable: text(position.unbilled_receivable),
        contract_asset: text(position.contract_asset),
        deferred_revenue: text(position.deferred_revenue),
        revenue: text(position.revenue),
        cash: text(position.cash),
    }
}

fn report_entry(entry: DatedEntry) -> ReportEntry {
    let lines = entry.lines.into_iter().map(|line| {
        let amount = Some(line.amount.to_string());
        let (debit, credit) = if line.side == Side::Debit { (amount, None) } else { (None, amount) };
        ReportLine { account: line.account.name(), debit, credit }
    });
    ReportEntry { date: entry.date, lines: lines.collect() }
}
