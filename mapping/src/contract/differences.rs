//! What an exception says of its contract: the values that differ, the one that is agreed and the one that a leg shows or that
//! follows from the contract itself.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::exceptions::ExceptionRecord;
use super::findings::{CLOSED_WON, DONE, VOID};
use super::state::{Contract, Milestone};
use crate::counted::counted;
use crate::fact::{DecimalText, Leg, LegInvoice, LegMilestone, LegRecord};
use crate::money::{Minor, grouped};
use crate::rules::Code;
use crate::terms::{InvoiceRule, Method, plus_days};

/// Two values that differ, as people read them. Of `amount`: 70,000.00 is agreed, 12.35 was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What they are values of.
    pub what: String,
    /// The one that is agreed; absent where nothing is.
    pub agreed: Option<String>,
    /// The one that was seen; absent where nothing was.
    pub seen: Option<String>,
    /// The one that follows from the contract's own figures and stands in no agreement: what would be billed in all, beside a
    /// cap; deferred revenue, beside the ERP's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<String>,
}

impl core::fmt::Display for Difference {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { what, agreed, seen, computed } = self;
        if let (Some(agreed), Some(computed)) = (agreed, computed) {
            return write!(out, "{what}: {agreed} agreed; {computed} computed");
        }
        if let (Some(computed), Some(seen)) = (computed, seen) {
            return write!(out, "{what}: {computed} computed; {seen} seen");
        }
        match (agreed, seen) {
            (Some(agreed), Some(seen)) => write!(out, "{what}: {agreed} agreed; {seen} seen"),
            (Some(agreed), None) => write!(out, "{what}: {agreed}"),
            (None, Some(seen)) => write!(out, "{what}: {seen} seen"),
            (None, None) => out.write_str(what),
        }
    }
}

/// Collects differences: a value that was not seen is none.
#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn compare(&mut self, what: &'static str, agreed: String, seen: Option<String>) {
        if let Some(seen) = seen.filter(|seen| *seen != agreed) {
            self.0.push(Difference { seen: Some(seen), ..difference(what, agreed) });
        }
    }

    fn agreed(&mut self, what: &'static str, agreed: String) {
        self.0.push(difference(what, agreed));
    }

    fn seen(&mut self, what: &'static str, seen: String) {
        self.0.push(Difference { what: what.into(), agreed: None, seen: Some(seen), computed: None });
    }

    /// A balance of ours, which nobody has agreed, beside a leg's.
    fn balance(&mut self, what: &'static str, computed: String, seen: Option<String>) {
        if let Some(seen) = seen.filter(|seen| *seen != computed) {
            self.0.push(Difference { what: what.into(), agreed: None, seen: Some(seen), computed: Some(computed) });
        }
    }

    fn computed(&mut self, what: &'static str, agreed: String, computed: String) {
        self.0.push(Difference { computed: Some(computed), ..difference(what, agreed) });
    }
}

impl Contract {
    /// The values behind an exception, as they stand now; none, where it says all there is to say.
    pub fn values_behind(&self, exception: &ExceptionRecord) -> Vec<Difference> {
        let mut found = Found(exception.told.clone());
        let milestone = exception.milestone.as_deref();
        match exception.leg.and_then(|leg| Some((leg, self.legs.get(&leg)?))) {
            Some((leg, record)) => match milestone {
                Some(id) => self.of_milestone(exception.code, leg, record, id, &mut found),
                None => self.of_frame(exception.code, record, &mut found),
            },
            None => self.of_ours(exception, milestone, &mut found),
        }
        found.0
    }

    fn of_frame(&self, code: Code, record: &LegRecord, found: &mut Found) {
        match code {
            Code::AcceptanceTermsMismatch => {
                let acceptance = &self.terms.acceptance;
                let (window, deemed) = (record.window_days, record.deemed);
                found.compare("acceptance window", days(acceptance.window_days), window.map(days));
                found.compare("silence is acceptance", yes(acceptance.deemed), deemed.map(yes));
            }
            Code::AmendmentNotPropagated => {
                found.compare("version", self.version.to_string(), record.version.map(|version| version.to_string()));
            }
            Code::AmountMismatch => {
                found.compare(
                    "amount",
                    grouped(&self.total().to_string()),
                    record.amount.map(|seen| self.amount_seen(seen)),
                );
            }
            Code::CurrencyMismatch => {
                found.compare("currency", self.terms.currency.to_string(), record.currency.clone());
            }
            Code::CustomerMismatch => found.compare("customer", self.terms.customer().into(), record.customer.clone()),
            Code::DeferredVariance => {
                let ours = self.position().deferred_revenue.to_string();
                found.balance(
                    "deferred revenue",
                    grouped(&ours),
                    record.deferred_balance.map(|seen| self.amount_seen(seen)),
                );
            }
            Code::NotClosedWon => found.compare("stage", CLOSED_WON.into(), record.stage.clone()),
            Code::PaymentTermsMismatch => {
                found.compare("payment terms", self.terms.payment_terms_text(), record.payment_terms.clone());
            }
            _ => {}
        }
    }

    fn of_milestone(&self, code: Code, leg: Leg, record: &LegRecord, id: &str, found: &mut Found) {
        let agreed = self.agreed();
        let parts = agreed.get(id).map(Vec::as_slice).unwrap_or_default();
        let said = record.milestones.iter().flatten().find(|said| said.id == id);
        match (code, parts.first(), said) {
            (Code::NotConfigured, ..) => found.agreed("milestone", format!("{id} is agreed, and not listed there")),
            (Code::UnknownMilestone, ..) => found.seen("milestone", id.into()),
            (Code::DoubleBilled | Code::ForeignInvoice | Code::InvoicedEarly, ..) => {
                self.of_invoices(record.invoices.as_deref().unwrap_or_default(), id, found);
            }
            (Code::RecognisedEarly | Code::RecognisedWrongPeriod, first, _) => {
                let accepted = first.and_then(|milestone| milestone.accepted_on);
                let entries = record.recognised.iter().flatten().filter(|entry| entry.milestone == id);
                let entries: Vec<String> =
                    entries.map(|entry| format!("{} on {}", self.amount_seen(entry.amount), entry.date)).collect();
                let accepted = accepted.map_or_else(|| "not accepted yet".into(), |on| format!("accepted on {on}"));
                found.compare("revenue", accepted, Some(entries.join(", ")));
            }
            (Code::Skipped, Some(first), _) => {
                let on = first.accepted_on.map(|on| format!("accepted on {on}, and not invoiced"));
                found.agreed("milestone", on.unwrap_or_default());
            }
            (_, Some(first), Some(said)) => self.of_terms(code, leg, first, parts, said, found),
            _ => {}
        }
    }

    fn of_terms(
        &self,
        code: Code,
        leg: Leg,
        first: &Milestone,
        parts: &[&Milestone],
        said: &LegMilestone,
        found: &mut Found,
    ) {
        let words = self.agreed_words(first);
        let agreed = self.agreed_on(first, parts, words);
        match code {
            Code::AcceptanceTermsMismatch => {
                found.compare("acceptance window", days(agreed.window_days), said.window_days.map(days));
                found.compare("silence is acceptance", yes(agreed.deemed), said.deemed.map(yes));
                found.compare("completion", agreed.completion.into(), said.completion.clone());
            }
            Code::AmountMismatch => {
                let seen = said.amount.map(|seen| self.amount_seen(seen));
                let money = self.terms.currency.from_decimal(agreed.amount);
                found.compare("amount", grouped(&money.map(|money| money.to_string()).unwrap_or_default()), seen);
            }
            Code::CompleteNotBillable if leg == Leg::Psa => {
                let seen = said.status.as_deref().filter(|status| *status == DONE);
                found.compare("acceptance", "none yet".into(), seen.map(|status| format!("work is {status}")));
            }
            Code::DescriptionMismatch => found.compare("description", words.to_owned(), said.description.clone()),
            Code::RecognitionMismatch => {
                let method = self.method_of(first).map(Method::name).unwrap_or_default();
                found.compare("recognition", method.into(), said.recognition_method.clone());
            }
            Code::TimingMismatch => {
                found.compare("timing", agreed.timing.into(), said.timing.clone());
                found.compare("invoice", agreed.invoice.into(), said.invoice.clone());
            }
            _ => {}
        }
    }

    /// Invoices of a milestone that the ERP has, those beside ours first of all.
    fn of_invoices(&self, invoices: &[LegInvoice], id: &str, found: &mut Found) {
        let of_it = |leg_invoice: &&LegInvoice| leg_invoice.milestone == id && leg_invoice.status != VOID;
        let seen = invoices.iter().filter(of_it).map(|invoice| {
            let whose = if self.is_ours(&invoice.number) { "ours" } else { "not ours" };
            format!("{} of {}, {}, {whose}", invoice.number, invoice.date, self.amount_seen(invoice.amount))
        });
        found.seen("invoices", seen.collect::<Vec<String>>().join("; "));
    }

    fn of_ours(&self, exception: &ExceptionRecord, milestone: Option<&str>, found: &mut Found) {
        let concerned = milestone.and_then(|id| self.milestones.iter().find(|milestone| milestone.id() == id));
        match (exception.code, concerned) {
            (Code::ApproverNotAuthorised, Some(concerned)) => {
                let roles = [concerned.terms.approver.clone(), concerned.terms.fallback_approver.clone()];
                let roles: Vec<String> = roles.into_iter().flatten().collect();
                if !roles.is_empty() {
                    found.agreed("approver", roles.join(" or "));
                }
            }
            (Code::ChangeOrderNotSigned, _) => {
                let versions: Vec<String> = self.unsigned.iter().map(u32::to_string).collect();
                found.agreed("change order", format!("version {} is not signed", versions.join(", ")));
            }
            (Code::CureOverdue, Some(concerned)) => {
                found.0.extend(concerned.cure_due.map(|due| difference("cure", format!("was due on {due}"))));
            }
            (Code::EvidenceMissing, Some(concerned)) => {
                let missing: Vec<&str> = concerned.missing_evidence().collect();
                found.agreed("missing evidence", missing.join(", "));
            }
            (Code::InvoiceLate, Some(milestone)) => found.0.extend(self.late_since(milestone)),
            (Code::LegMissing, _) => {
                found.0.extend(exception.leg.map(|leg| difference("leg", format!("{leg} has shown nothing"))));
            }
            (Code::OutOfSequence, Some(concerned)) => {
                let open = concerned.terms.depends_on.iter().filter(|id| self.dependency_met(id).is_none());
                found.agreed("waits for", open.map(String::as_str).collect::<Vec<&str>>().join(", "));
            }
            (Code::OverCap, Some(concerned)) => {
                let with = self.billed() + self.next_bears(concerned);
                let cap = format!("cap of {}", self.in_words(self.cap.unwrap_or(self.total)));
                found.computed("billed with this invoice", cap, self.in_words(with));
            }
            (Code::ScheduleTotalMismatch, _) => {
                let counted = self.milestones.iter().filter(|milestone| milestone.counts());
                let sum = counted.map(|milestone| milestone.terms.amount).sum();
                found.computed(
                    "sum of milestones",
                    format!("total of {}", self.in_words(self.total)),
                    self.in_words(sum),
                );
            }
            _ => {}
        }
    }

    /// An amount as people read it.
    pub(super) fn in_words(&self, minor: Minor) -> String {
        grouped(&self.terms.money(minor).to_string())
    }

    /// An amount that a leg has: as one of the contract's currency, or with the digits that it came with.
    pub(super) fn amount_seen(&self, seen: DecimalText) -> String {
        let money = self.terms.currency.from_decimal(seen.0);
        grouped(&money.map_or_else(|| seen.to_string(), |money| money.to_string()))
    }

    fn late_since(&self, milestone: &Milestone) -> Option<Difference> {
        let InvoiceRule::WithinDays(within) = milestone.terms.invoice else { return None };
        let last: Date = plus_days(self.fired_on(milestone)?, within);
        Some(difference("invoice", format!("was due by {last}")))
    }
}

/// What an event said, beside what stood there when it came.
pub(super) fn told(what: &str, agreed: Option<String>, seen: String) -> Difference {
    Difference { what: what.into(), agreed, seen: Some(seen), computed: None }
}

fn difference(what: &'static str, agreed: String) -> Difference {
    Difference { what: what.into(), agreed: Some(agreed), seen: None, computed: None }
}

fn days(count: u32) -> String {
    counted(count, "business day")
}

fn yes(holds: bool) -> String {
    if holds { "yes" } else { "no" }.into()
}
