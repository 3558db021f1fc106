//! What one contract tells of how billing goes: the cases of each metric, the months in which its milestones were to be billed,
//! and how late it was paid. Reports are made of it without reading contracts; what a case was, in words, its contract tells.

use std::sync::Arc;

use jiff::civil::Date;
use milestoned_mapping::contract::{Contract, DocumentKind, IssuedDocument, Receivable};
use milestoned_mapping::money::Minor;
use milestoned_mapping::problem::Problem;

use super::names::Names;
use crate::store::review::Undelivered;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Days from acceptance to invoice, by month of the invoice.
    CycleTime,
    /// Invoices that were never credited or withdrawn, by month of the invoice.
    FirstSend,
    /// Revenue that was booked in the month of its acceptance, by month of the booking.
    PeriodAccuracy,
    /// Customers' answers that were rejections, by month of the answer.
    DisputeRate,
}

impl Metric {
    /// All that have cases.
    pub const ALL: [Self; 4] = [Self::CycleTime, Self::FirstSend, Self::PeriodAccuracy, Self::DisputeRate];

    /// Its word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Self::CycleTime => "cycle-time",
            Self::FirstSend => "first-send",
            Self::PeriodAccuracy => "period",
            Self::DisputeRate => "disputes",
        }
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::CycleTime => "Milestone-to-invoice cycle time",
            Self::FirstSend => "First-send accuracy",
            Self::PeriodAccuracy => "Period accuracy",
            Self::DisputeRate => "Dispute rate",
        }
    }
}

impl std::str::FromStr for Metric {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let names = Self::ALL.map(Self::word).join(", ");
        let wrong = || Problem::new("metric", format!("{text:?} is none of them"), format!("write one of {names}"));
        Self::ALL.into_iter().find(|metric| metric.word() == text).ok_or_else(wrong)
    }
}

/// One case of a metric, as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Of which.
    pub metric: Metric,
    /// First day of its month.
    pub month: Date,
    /// It is as it should be.
    pub good: bool,
    /// Days, where they are measured.
    pub days: i32,
}

/// One case of a metric, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// How it counts.
    pub counted: Counted,
    /// Contract.
    pub contract: String,
    /// Milestone.
    pub milestone: String,
    /// What happened.
    pub said: String,
}

/// A milestone that was accepted or invoiced.
#[derive(Debug, Clone)]
pub struct Due {
    /// Which.
    pub milestone: Arc<str>,
    /// First day of the month in which the one or the other happened, whichever came first.
    pub month: Date,
    /// It has an invoice that counts.
    pub is_invoiced: bool,
    /// One of its invoices is not in the ERP.
    pub is_missing: bool,
}

/// What is kept of a contract.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// Cases of all metrics.
    pub cases: Box<[Counted]>,
    /// Milestones that were accepted or invoiced, in their order.
    pub due: Box<[Due]>,
    /// Days that its paid invoices were paid late, in sum, and how many there are; who pays early or in time pays in time.
    pub late: (i64, i64),
    /// Numbers of documents that were withdrawn.
    pub withdrawn: Box<[String]>,
}

impl Measures {
    /// Of a contract as it stands, with its invoices. `missing`: its documents that the ERP has not got.
    pub(super) fn of(
        contract: &Contract,
        invoices: &[Receivable],
        missing: &[&Undelivered],
        names: &mut Names,
    ) -> Self {
        let paid = invoices.iter().filter(|invoice| invoice.open.units() == Minor::ZERO);
        let mut late = (0, 0);
        for invoice in paid {
            let stands = invoice.payments.iter().filter(|payment| payment.reversed_on.is_none());
            if let Some(last) = stands.map(|payment| payment.on).max() {
                let (days, count) = late;
                let more = i64::from(days_between(invoice.due_on, last).max(0));
                late = (i64::saturating_add(days, more), i64::saturating_add(count, 1));
            }
        }
        let withdrawn = contract.documents().iter().filter(|document| document.withdrawn);
        let due = contract.milestones().into_iter().filter_map(|view| {
            let month = due(view.accepted_on, view.invoiced_on)?;
            let mut own = invoices.iter().filter(|invoice| invoice.milestone == view.id);
            let is_invoiced = own.clone().next().is_some();
            let is_missing = own.any(|invoice| {
                let is_void = |document: &IssuedDocument| document.withdrawn && document.number == invoice.number;
                missing.iter().any(|document| document.number == invoice.number)
                    || contract.documents().iter().any(is_void)
            });
            Some(Due { milestone: names.keep(&view.id), month, is_invoiced, is_missing })
        });
        Self {
            cases: cases(contract).into_iter().map(|case| case.counted).collect(),
            due: due.collect(),
            late,
            withdrawn: withdrawn.map(|document| document.number.clone()).collect(),
        }
    }
}

/// First day of the month in which a milestone was accepted or invoiced, whichever came first.
pub fn due(accepted_on: Option<Date>, invoiced_on: Option<Date>) -> Option<Date> {
    [accepted_on, invoiced_on].into_iter().flatten().min().map(Date::first_of_month)
}

fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

/// What one contract tells of each metric.
pub fn cases(contract: &Contract) -> Vec<Case> {
    let mut cases = Vec::new();
    let id = contract.terms().id();
    let case = |metric, on: Date, milestone: &str, (good, days): (bool, i32), said: String| Case {
        counted: Counted { metric, month: on.first_of_month(), good, days },
        contract: id.to_owned(),
        milestone: milestone.to_owned(),
        said,
    };
    for milestone in contract.milestones() {
        if let (Some(accepted), Some(invoiced)) = (milestone.accepted_on, milestone.invoiced_on)
            && invoiced >= accepted
        {
            let took = days_between(accepted, invoiced);
            let said = format!("accepted {accepted}, invoiced {invoiced}");
            cases.push(case(Metric::CycleTime, invoiced, &milestone.id, (took <= 1, took), said));
        }
        if let (Some(accepted), Some(booked)) = (milestone.accepted_on, contract.booked_on(&milestone.id)) {
            let good = accepted.first_of_month() == booked.first_of_month();
            let said = format!("accepted {accepted}, revenue booked {booked}");
            let took = days_between(accepted, booked);
            cases.push(case(Metric::PeriodAccuracy, booked, &milestone.id, (good, took), said));
        }
        if let Some(accepted) = milestone.accepted_on {
            let said = format!("accepted {accepted}");
            cases.push(case(Metric::DisputeRate, accepted, &milestone.id, (true, 0), said));
        }
    }
    for document in
        contract.documents().iter().filter(|document| document.kind == DocumentKind::Invoice && !document.adopted)
    {
        let credited = contract.documents().iter().find(|memo| {
            memo.kind == DocumentKind::CreditMemo
                && !memo.withdrawn
                && memo.original.as_deref() == Some(&document.number)
        });
        let said = match (credited, document.withdrawn) {
            (Some(memo), _) => format!("{} was credited by {} on {}", document.number, memo.number, memo.date),
            (None, true) => format!("{} was withdrawn", document.number),
            (None, false) => format!("{} stands as it was sent", document.number),
        };
        let good = credited.is_none() && !document.withdrawn;
        cases.push(case(Metric::FirstSend, document.date, &document.milestone, (good, 0), said));
    }
    cases
}
