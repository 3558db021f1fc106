//! The demo's contracts: each is a case of the rules, with the ERP that bills it.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use serde_json::Value;

/// One contract of the portfolio.
pub(super) struct Sample {
    /// What it shows.
    pub(super) title: String,
    /// ERP connection.
    pub(super) erp: String,
    /// Terms as they are filed.
    pub(super) contract: Value,
    /// Review policy.
    pub(super) policy: Value,
    /// The case that says what must come out.
    pub(super) case: Case,
}

impl Sample {
    pub(super) fn id(&self) -> &str {
        self.case.terms().id()
    }

    /// When its terms are filed: a minute into its first day.
    pub(super) fn filed_at(&self) -> Timestamp {
        let terms = self.case.terms();
        let first = self.case.events().iter().map(|fact| terms.local_date(fact.at)).min();
        let day = first.map_or(terms.signed_on(), |first| first.min(terms.signed_on()));
        terms.start_of(day).saturating_add(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MIN)
    }
}

macro_rules! samples {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../config/demo/", $name, ".json"))),)*]
    };
}

const FILES: &[(&str, &str)] = samples![
    "six-milestone-implementation" "cut-off-march-april" "paid-upfront-released-by-milestone" "ssp-allocation-delta"
    "invoice-40-recognise-25" "pilot-then-success" "deemed-over-thanksgiving" "cure-exhausted" "four-way-mismatches"
    "amended-before-and-after-invoice" "accepted-in-part" "go-live-concentration-percent" "other-triggers" "capped"
    "month-end-cycle-yen" "easter-window-in-sterling" "review-over-threshold-in-dinar" "evidence-after-acceptance"
    "approver-and-fallback" "rejections-of-every-kind" "support-over-time" "prospective-change-order"
    "deal-not-closed-then-reopened" "billed-by-hand" "no-deemed-clause" "loss-contract" "legs-required"
    "schedule-does-not-add-up" "crm-behind-and-billed-twice"
];

/// Every contract, each played through the last day of the year.
pub(super) fn load() -> anyhow::Result<Vec<Sample>> {
    FILES.iter().map(|(name, text)| sample(text).with_context(|| format!("config/demo/{name}.json"))).collect()
}

fn sample(text: &str) -> anyhow::Result<Sample> {
    let mut value: Value = serde_json::from_str(text)?;
    let mut case = value.get_mut("case").map(Value::take).context("case is missing")?;
    if let Some(table) = case.as_object_mut() {
        table.insert("until".into(), super::LAST_DAY.into());
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(Into::into).context("title and erp are needed");
    Ok(Sample {
        title: text("title")?,
        erp: text("erp")?,
        contract: case.get("contract").cloned().context("contract is missing")?,
        policy: case.get("policy").cloned().context("policy is missing")?,
        case: Case::from_value(case, &Calendars::built_in())?,
    })
}
