//! NetSuite's JSON as NetSuite writes it.

use std::collections::BTreeMap;

use milestoned_connector_kit::read::or_default;
use milestoned_mapping::fact::{DecimalText, LegMilestone};
use milestoned_mapping::normalise::exact_decimal;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Answer of the token endpoint.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) expires_in: Value,
}

/// A page of SuiteQL.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryPage<'a> {
    #[serde(borrow)]
    pub(crate) items: Vec<BTreeMap<String, &'a RawValue>>,
}

/// One row: lower-case columns; what is null is not there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row(pub(crate) BTreeMap<String, String>);

impl Row {
    pub(crate) fn read(columns: &BTreeMap<String, &RawValue>) -> Self {
        let text = |raw: &RawValue| match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => Some(text),
            // A number keeps its digits; lists (`links`) and null are no values.
            Err(_) => Some(raw.get().to_owned())
                .filter(|text| text.starts_with(|first: char| first.is_ascii_digit() || first == '-')),
        };
        Self(columns.iter().filter_map(|(name, raw)| Some((name.clone(), text(raw)?))).collect())
    }

    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    /// A column that must be there.
    pub(crate) fn need(&self, column: &str) -> Result<&str, String> {
        self.get(column).ok_or_else(|| format!("column {column} is missing"))
    }
}

/// A billing schedule with its milestones. Shares are JSON numbers and are read by their digits.
#[derive(Debug, Deserialize)]
pub(crate) struct BillingSchedule<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub(crate) milestone: Sublist<ScheduledMilestone<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sublist<T> {
    #[serde(default = "Vec::new")]
    pub(crate) items: Vec<T>,
}

impl<T> Default for Sublist<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduledMilestone<'a> {
    /// A number of the schedule's own.
    #[serde(borrow)]
    pub(crate) milestone_id: &'a RawValue,
    /// Percent of the whole.
    #[serde(borrow, default)]
    pub(crate) milestone_amount: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) milestone_completed: bool,
    /// The only text of a milestone: its id in the agreement, and behind a colon its words.
    #[serde(default)]
    pub(crate) comments: Option<String>,
}

impl BillingSchedule<'_> {
    /// What is billed by milestone: of a whole of `total` the share that the schedule gives.
    pub(crate) fn milestones(&self, total: Option<DecimalText>) -> Vec<LegMilestone> {
        let plain = |raw: &RawValue| raw.get().trim_matches('"').to_owned();
        let amount = |scheduled: &ScheduledMilestone<'_>| {
            let share = exact_decimal(plain(scheduled.milestone_amount?).trim_end_matches('%'))?;
            let part = total?.0.checked_mul(share.0)?.checked_div(Decimal::ONE_HUNDRED)?;
            Some(DecimalText(part.normalize()))
        };
        let milestone = |scheduled: &ScheduledMilestone<'_>| {
            let words = scheduled.comments.as_deref().map(str::trim).filter(|words| !words.is_empty());
            let (id, description) = match words.map(|words| words.split_once(": ").unwrap_or((words, ""))) {
                Some((id, words)) => (id.to_owned(), Some(words.to_owned()).filter(|words| !words.is_empty())),
                None => (plain(scheduled.milestone_id), None),
            };
            let status = Some(if scheduled.milestone_completed { "done" } else { "open" }.into());
            LegMilestone { id, status, amount: amount(scheduled), description, ..LegMilestone::default() }
        };
        self.milestone.items.iter().map(milestone).collect()
    }
}

/// A billing revenue event, or a revenue schedule with its one step.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Released<'a> {
    pub(crate) id: String,
    #[serde(borrow, default)]
    amount: Option<&'a RawValue>,
    #[serde(borrow, default)]
    total_amount: Option<&'a RawValue>,
    #[serde(default)]
    event_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    recurrence: Sublist<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    #[serde(default)]
    recur_date: Option<String>,
}

impl Released<'_> {
    pub(crate) fn amount(&self) -> Option<DecimalText> {
        exact_decimal(self.amount.or(self.total_amount)?.get().trim_matches('"'))
    }

    pub(crate) fn date(&self) -> Option<&str> {
        self.event_date.as_deref().or_else(|| self.recurrence.items.first()?.recur_date.as_deref())
    }
}

/// A body of which only the external id matters.
#[derive(Debug, Deserialize)]
pub(crate) struct External {
    #[serde(rename = "externalId")]
    pub(crate) external_id: String,
}

/// What the account allows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Governance {
    pub(crate) account_concurrency_limit: u32,
}

/// Where a job stands.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) completed: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) progress: String,
}

/// A task of a job: one record.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
}

/// A refusal; the meaning is in the words of the details.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Errors {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) title: String,
    #[serde(rename = "o:errorDetails", default, deserialize_with = "or_default")]
    pub(crate) details: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) detail: String,
    #[serde(rename = "o:errorCode", default, deserialize_with = "or_default")]
    pub(crate) code: String,
}

impl Errors {
    pub(crate) fn read(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    pub(crate) fn has(&self, code: &str) -> bool {
        self.details.iter().any(|detail| detail.code == code)
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.details.iter().any(|detail| detail.detail.contains(words))
    }

    pub(crate) fn text(&self) -> String {
        let details: Vec<String> =
            self.details.iter().map(|detail| format!("{} {}", detail.code, detail.detail)).collect();
        if details.is_empty() { self.title.clone() } else { details.join("; ") }
    }
}
