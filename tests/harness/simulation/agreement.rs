//! What people have agreed on, as they see it themselves: contracts, their milestones, the deals that sold them.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

/// A milestone as people see it in agreement and project tool.
#[derive(Debug, Clone)]
pub(super) struct Milestone {
    pub(super) id: String,
    /// The issue's id in the project tool.
    pub(super) issue: String,
    /// Whole units, a power of two.
    pub(super) amount: u64,
    /// The customer has accepted it at some time.
    pub(super) ever_accepted: bool,
    /// It is accepted now, with the document.
    pub(super) accepted: bool,
    /// A change order took it out.
    pub(super) removed: bool,
    /// Its issue was deleted.
    pub(super) lost: bool,
    /// How often its issue was moved, or its acceptance filled in.
    pub(super) moves: u32,
    /// The date that stands on the latest acceptance, and when the project tool was told.
    pub(super) signed: Option<(Date, Timestamp)>,
    /// Number of the invoice of somebody else that bills it.
    pub(super) adopted: Option<String>,
}

impl Milestone {
    pub(super) fn new(place: usize) -> Self {
        let power = u32::try_from(place).unwrap_or(0).saturating_mul(3);
        Self {
            id: format!("M{}", place.saturating_add(1)),
            issue: String::new(),
            amount: 2_u64.saturating_pow(power),
            ever_accepted: false,
            accepted: false,
            removed: false,
            lost: false,
            moves: 0,
            signed: None,
            adopted: None,
        }
    }
}

/// A contract of a run.
#[derive(Debug, Clone)]
pub(super) struct Agreement {
    pub(super) id: &'static str,
    pub(super) customer: &'static str,
    pub(super) currency: &'static str,
    pub(super) zone: &'static str,
    /// Every invoice waits for a person's approval.
    pub(super) reviewed: bool,
    pub(super) milestones: Vec<Milestone>,
    /// Amendment version.
    pub(super) version: u32,
    /// The deal is won.
    pub(super) won: bool,
    /// By how much the deal's amount is wrong.
    pub(super) wrong_by: u64,
    pub(super) signed_on: Date,
    /// The first date of the books, where others kept them before.
    pub(super) books_from: Option<Date>,
    /// Half of each other milestone is kept back until this one is accepted.
    pub(super) release: Option<String>,
    /// The first milestone was accepted and billed by others before the contract came here.
    pub(super) history: Vec<Value>,
}

impl Agreement {
    /// Milestones of the agreement as it is now.
    pub(super) fn live(&self) -> impl Iterator<Item = &Milestone> {
        self.milestones.iter().filter(|one| !one.removed)
    }

    pub(super) fn total(&self) -> u64 {
        self.live().map(|one| one.amount).sum()
    }

    /// Number of a milestone's invoice; the part of its corrections.
    pub(super) fn number(&self, milestone: &str) -> String {
        format!("{}-{milestone}", self.id)
    }

    /// Whether a document of this number belongs to the contract.
    pub(super) fn owns(&self, number: &str) -> bool {
        number.strip_prefix(self.id).is_some_and(|rest| rest.starts_with('-'))
    }

    /// An amount as people write it.
    pub(super) fn money(&self, amount: u64) -> String {
        if self.currency == "JPY" { amount.to_string() } else { format!("{amount}.00") }
    }

    pub(super) fn words(&self, milestone: &Milestone) -> Value {
        json!({ "id": milestone.id, "name": milestone.id, "amount": self.money(milestone.amount) })
    }

    /// The terms as they are filed.
    pub(super) fn terms(&self, erp: &str) -> Value {
        let milestones: Vec<Value> = self.live().map(|one| self.words(one)).collect();
        let total = self.money(self.total());
        let review = if self.reviewed { "all" } else { "none" };
        let mut terms = json!({
            "id": self.id, "customer": self.customer, "currency": self.currency, "timezone": self.zone, "total": total,
            "signed_on": self.signed_on, "obligations": [{ "id": "services", "ssp": total, "method": "output" }],
            "milestones": milestones, "milestoned": { "erp": erp, "policy": { "review": review } },
        });
        if let Some(first) = self.books_from {
            terms["books_from"] = json!(first);
        }
        if let Some(release) = &self.release {
            terms["retainage"] = json!({ "percent": "50", "release": release });
        }
        if !self.history.is_empty() {
            terms["history"] = json!(self.history);
        }
        terms
    }
}
