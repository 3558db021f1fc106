//! What lets a milestone be billed: its trigger, and the conditions of a trigger that has several (section 12 of the rules).

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::calendar::Calendar;
use crate::reader::Reader;
use crate::terms::payment::plus_days;

/// The name by which a condition means the milestone that it belongs to.
pub(crate) const ITSELF: &str = "self";
/// How many conditions a trigger may have.
const MOST_CONDITIONS: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trigger {
    Acceptance,
    Date(Date),
    /// The earliest of several dates that has come.
    FirstOf(Vec<Condition>),
    /// The latest of several dates, once all have come.
    LastOf(Vec<Condition>),
    Usage {
        metric: String,
        threshold: Decimal,
    },
    WorkflowApproval,
}

/// One of several conditions; each has a date, or none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    /// A milestone's acceptance, and so many days more.
    Accepted { milestone: String, later: Later },
    /// A date, and so many days more.
    Date { date: Date, later: Later },
    /// The first external event of this name.
    Event(String),
    /// The first reading at or above a threshold.
    Usage { metric: String, threshold: Decimal },
}

/// Days that are added to a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Later {
    BusinessDays(u32),
    Days(u32),
}

impl Later {
    pub(crate) fn than(self, day: Date, calendar: &Calendar) -> Date {
        match self {
            Self::BusinessDays(days) => calendar.add(day, days),
            Self::Days(days) => plus_days(day, days),
        }
    }
}

impl Trigger {
    /// The conditions of a trigger that has several.
    pub(crate) fn conditions(&self) -> &[Condition] {
        match self {
            Self::FirstOf(conditions) | Self::LastOf(conditions) => conditions,
            Self::Acceptance | Self::Date(_) | Self::Usage { .. } | Self::WorkflowApproval => &[],
        }
    }

    /// Milestones whose acceptance it waits for; the milestone itself is not among them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.conditions().iter().filter_map(|condition| match condition {
            Condition::Accepted { milestone, .. } if milestone != ITSELF => Some(milestone.as_str()),
            _ => None,
        })
    }

    /// Reads the trigger of a milestone.
    pub(crate) fn read(reader: &mut Reader<'_>, advance: bool) -> Self {
        let kind = reader.text("trigger").unwrap_or_else(|| "acceptance".into());
        let (date, metric, threshold) =
            (reader.date("trigger_date"), reader.text("usage_metric"), reader.decimal("usage_threshold"));
        let conditions = reader.tables("conditions", Condition::read);
        match (kind.as_str(), date, metric, threshold) {
            ("acceptance", ..) => Self::Acceptance,
            ("workflow_approval", ..) => Self::WorkflowApproval,
            ("date", Some(date), ..) => Self::Date(date),
            ("date", None, ..) => {
                reader.wrong("trigger_date", "is missing: trigger \"date\" needs it");
                Self::Acceptance
            }
            ("usage", _, Some(metric), Some(threshold)) => Self::Usage { metric, threshold },
            ("usage", ..) => {
                reader.wrong("usage_threshold", "trigger \"usage\" needs usage_metric and usage_threshold");
                Self::Acceptance
            }
            ("first_of" | "last_of", ..) => {
                if advance {
                    reader.wrong("trigger", format!("{kind:?} needs timing \"arrears\""));
                }
                if conditions.is_empty() || conditions.len() > MOST_CONDITIONS {
                    reader.wrong("conditions", format!("{kind:?} needs 1 to {MOST_CONDITIONS} conditions"));
                }
                let conditions = conditions.into_iter().flatten().collect();
                if kind == "first_of" { Self::FirstOf(conditions) } else { Self::LastOf(conditions) }
            }
            _ => {
                let kinds = "acceptance, date, usage, workflow_approval, first_of, last_of";
                reader.wrong("trigger", format!("{kind:?} is none of {kinds}"));
                Self::Acceptance
            }
        }
    }

    /// Writes it into the fields of a milestone, as [`Self::read`] reads them.
    pub(crate) fn write(&self, fields: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        match self {
            Self::Acceptance => put("trigger", json!("acceptance")),
            Self::WorkflowApproval => put("trigger", json!("workflow_approval")),
            Self::Date(date) => {
                put("trigger_date", json!(date));
                put("trigger", json!("date"))
            }
            Self::Usage { metric, threshold } => {
                put("usage_metric", json!(metric));
                put("usage_threshold", json!(threshold.to_string()));
                put("trigger", json!("usage"))
            }
            Self::FirstOf(conditions) | Self::LastOf(conditions) => {
                put("conditions", conditions.iter().map(Condition::fields).collect());
                put("trigger", json!(if matches!(self, Self::FirstOf(_)) { "first_of" } else { "last_of" }))
            }
        };
    }
}

impl Condition {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let kinds = ["accepted", "date", "event", "usage"].iter().filter(|kind| reader.has(kind)).count();
        let (days, business_days) = (reader.count("plus_days"), reader.count("plus_business_days"));
        if days.is_some() && business_days.is_some() {
            reader.wrong("plus_business_days", "plus_days and plus_business_days may not be mixed");
        }
        if (days.is_some() || business_days.is_some()) && !reader.has("accepted") && !reader.has("date") {
            reader.wrong("plus_days", "only a condition of accepted or date has days to add");
        }
        let later = business_days.map_or(Later::Days(days.unwrap_or(0)), Later::BusinessDays);
        let milestone = reader.text("accepted");
        let date = reader.date("date");
        let event = reader.text("event");
        let usage = reader.text("usage");
        let threshold = reader.decimal("threshold");
        if kinds != 1 {
            reader.wrong("accepted", "a condition has one of accepted, event, date and usage");
            return None;
        }
        if threshold.is_some() != usage.is_some() {
            reader.wrong("threshold", "usage and threshold belong together");
            return None;
        }
        None.or(milestone.map(|milestone| Self::Accepted { milestone, later }))
            .or(date.map(|date| Self::Date { date, later }))
            .or(event.map(Self::Event))
            .or(usage.zip(threshold).map(|(metric, threshold)| Self::Usage { metric, threshold }))
    }

    fn fields(&self) -> Value {
        let (mut fields, later) = match self {
            Self::Accepted { milestone, later } => (json!({ "accepted": milestone }), Some(later)),
            Self::Date { date, later } => (json!({ "date": date }), Some(later)),
            Self::Event(name) => (json!({ "event": name }), None),
            Self::Usage { metric, threshold } => (json!({ "usage": metric, "threshold": threshold.to_string() }), None),
        };
        if let (Some(fields), Some(later)) = (fields.as_object_mut(), later) {
            match later {
                Later::BusinessDays(days) => fields.insert("plus_business_days".into(), json!(days)),
                Later::Days(days) => fields.insert("plus_days".into(), json!(days)),
            };
        }
        fields
    }
}
