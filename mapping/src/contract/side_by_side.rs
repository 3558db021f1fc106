//! The four legs beside each other, for people: what the agreement says of a contract or of one of its milestones, and what
//! each leg was last seen to say. Nothing is decided here; the findings are those of `findings`.

use serde::Serialize;

use super::findings::VOID;
use super::state::{Contract, Milestone};
use crate::fact::{DecimalText, Leg, LegMilestone, LegRecord};
use crate::money::grouped;
use crate::terms::Method;

/// One value as the agreement and the legs have it. A leg that does not carry it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// What it is a value of.
    pub what: &'static str,
    /// As it is agreed.
    pub agreed: Option<String>,
    /// In the CRM.
    pub crm: Option<String>,
    /// In the project tool.
    pub psa: Option<String>,
    /// In the ERP.
    pub erp: Option<String>,
    /// Whether the values are compared with the agreed one; what is not compared only informs.
    pub compared: bool,
}

impl Beside {
    /// The value of a leg.
    pub fn of(&self, leg: Leg) -> Option<&str> {
        match leg {
            Leg::Agreement => self.agreed.as_deref(),
            Leg::Crm => self.crm.as_deref(),
            Leg::Psa => self.psa.as_deref(),
            Leg::Erp => self.erp.as_deref(),
        }
    }

    /// Whether a leg says something else than what is agreed.
    pub fn differs(&self, leg: Leg) -> bool {
        self.compared && self.agreed.is_some() && self.of(leg).is_some_and(|seen| Some(seen) != self.agreed.as_deref())
    }

    fn is_told(&self) -> bool {
        [Leg::Agreement, Leg::Crm, Leg::Psa, Leg::Erp].into_iter().any(|leg| self.of(leg).is_some())
    }
}

impl Contract {
    /// Legs that were seen, with what each said last.
    pub fn legs_seen(&self) -> impl Iterator<Item = (Leg, &LegRecord)> {
        self.legs.iter().map(|(leg, record)| (*leg, record))
    }

    /// The contract as a whole, as each leg has it.
    pub fn frame_beside(&self) -> Vec<Beside> {
        let amount = |seen: Option<DecimalText>| seen.map(|seen| self.amount_seen(seen));
        let row = |what, agreed: Option<String>, said: &dyn Fn(&LegRecord) -> Option<String>| {
            self.beside(what, agreed, true, |leg| said(self.legs.get(&leg)?))
        };
        let rows = vec![
            row("customer", Some(self.terms.customer.clone()), &|said| said.customer.clone()),
            row("customer's record", None, &|said| said.customer_record.clone()),
            row("amount", Some(grouped(&self.total().to_string())), &|said| amount(said.amount)),
            row("currency", Some(self.terms.currency.to_string()), &|said| said.currency.clone()),
            row("payment terms", Some(self.terms.payment_terms_text()), &|said| said.payment_terms.clone()),
            row("version", Some(self.version.to_string()), &|said| said.version.map(|version| version.to_string())),
            row("stage", None, &|said| said.stage.clone()),
            row("deferred revenue", Some(grouped(&self.position().deferred_revenue.to_string())), &|said| {
                amount(said.deferred_balance)
            }),
        ];
        rows.into_iter().filter(Beside::is_told).collect()
    }

    /// A milestone, as each leg has it; none: there is no such milestone.
    pub fn milestone_beside(&self, id: &str) -> Vec<Beside> {
        let Some(found) = self.milestones.iter().find(|milestone| milestone.id() == id) else { return Vec::new() };
        // Legs know the milestone of the agreement, not the parts into which an acceptance split it.
        let root = found.root.as_str();
        let agreed = self.agreed();
        let parts = agreed.get(root).map(Vec::as_slice).unwrap_or_default();
        let words = self.agreed_words(found);
        let terms = self.agreed_on(found, parts, words);
        let listed = |leg: Leg| self.legs.get(&leg)?.milestones.iter().flatten().find(|said| said.id == root);
        let row = |what, agreed: Option<String>, said: &dyn Fn(&LegMilestone) -> Option<String>| {
            self.beside(what, agreed, true, |leg| said(listed(leg)?))
        };
        let amount = self.terms.currency.from_decimal(terms.amount).map(|money| grouped(&money.to_string()));
        let mut rows = vec![
            row("milestone amount", amount, &|said| said.amount.map(|seen| self.amount_seen(seen))),
            row("description", Some(words.to_owned()), &|said| said.description.clone()),
            row("completion", Some(terms.completion.into()), &|said| said.completion.clone()),
            row("timing", Some(terms.timing.into()), &|said| said.timing.clone()),
            row("invoice rule", Some(terms.invoice.into()), &|said| said.invoice.clone()),
            row("recognition", self.method_of(found).map(Method::name).map(Into::into), &|said| {
                said.recognition_method.clone()
            }),
        ];
        rows.push(
            self.beside("status", Some(self.status(found).name().into()), false, |leg| listed(leg)?.status.clone()),
        );
        rows.push(self.beside("invoiced", self.invoiced_text(found), false, |leg| self.invoices_seen(leg, root)));
        rows.push(self.beside("revenue", None, false, |leg| self.revenue_seen(leg, root)));
        rows.into_iter().filter(Beside::is_told).collect()
    }

    fn beside(
        &self,
        what: &'static str,
        agreed: Option<String>,
        compared: bool,
        said: impl Fn(Leg) -> Option<String>,
    ) -> Beside {
        Beside { what, agreed, crm: said(Leg::Crm), psa: said(Leg::Psa), erp: said(Leg::Erp), compared }
    }

    fn invoiced_text(&self, milestone: &Milestone) -> Option<String> {
        let ours = self.documents.iter().filter(|document| document.milestone == milestone.id() && !document.withdrawn);
        let texts: Vec<String> =
            ours.map(|document| format!("{} {}", document.number, grouped(&document.amount.to_string()))).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn invoices_seen(&self, leg: Leg, root: &str) -> Option<String> {
        let listed = self.legs.get(&leg)?.invoices.as_ref()?;
        let of_it = listed.iter().filter(|invoice| invoice.milestone == root && invoice.status != VOID);
        let texts: Vec<String> = of_it
            .map(|invoice| {
                format!(
                    "{} {} of {}, {}",
                    invoice.number,
                    self.amount_seen(invoice.amount),
                    invoice.date,
                    invoice.status
                )
            })
            .collect();
        Some(if texts.is_empty() { "none".into() } else { texts.join("; ") })
    }

    fn revenue_seen(&self, leg: Leg, root: &str) -> Option<String> {
        let entries = self.legs.get(&leg)?.recognised.iter().flatten().filter(|entry| entry.milestone == root);
        let texts: Vec<String> =
            entries.map(|entry| format!("{} on {}", self.amount_seen(entry.amount), entry.date)).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
