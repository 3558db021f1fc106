//! The director: turns each event of a case into what people do in Salesforce, Jira, the ERP, the contract folder and
//! the API. Every act has a name and may be repeated: after a kill the last one is done again and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use jiff::Timestamp;
use milestoned_mapping::fact::{Amendment, Event, Fact, Leg, LegInvoice, LegMilestone, LegRecord};
use milestoned_mocks::{Fields, Person};
use serde_json::{Value, json};

use super::portfolio::Sample;
use super::world::{DECIDES, TOKEN, World};
use crate::review::portfolio;
use crate::store::intake::NewFact;

const CONTRACT: &str = "customfield_10101";
const MILESTONE: &str = "customfield_10102";
const AMOUNT: &str = "customfield_10103";
const EVIDENCE: &str = "customfield_10104";
const DOCUMENT: &str = "customfield_10105";
const ROLE: &str = "customfield_10106";
const PORTION: &str = "customfield_10107";
const CRITERIA: &str = "customfield_10108";
const WINDOW: &str = "customfield_10109";
const DEEMED: &str = "customfield_10110";
const COMPLETION: &str = "customfield_10111";
const PROGRESS: &str = "In Progress";

/// Something that somebody does at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) at: Timestamp,
    pub(super) sample: usize,
    /// `None`: the contract is filed.
    pub(super) event: Option<usize>,
}

/// Everything that happens in the year, in order.
pub(super) fn acts(samples: &[Sample], last: Timestamp) -> Vec<Act> {
    let mut acts = Vec::new();
    for (sample, filed) in samples.iter().enumerate() {
        acts.push(Act { at: filed.filed_at(), sample, event: None });
        for (event, fact) in filed.case.events().iter().enumerate().filter(|(_, fact)| fact.at < last) {
            // A first event may come before its day's first minute is over.
            acts.push(Act { at: fact.at.max(filed.filed_at()), sample, event: Some(event) });
        }
    }
    acts.sort_by_key(|act| (act.at, act.sample, act.event));
    acts
}

/// Does what an act says.
pub(super) async fn perform(world: &World, samples: &[Sample], act: &Act) -> anyhow::Result<()> {
    let sample = samples.get(act.sample).context("no such contract")?;
    let scene = Scene { world, sample, name: act_name(sample, act.event) };
    match act.event.and_then(|event| sample.case.events().get(event).map(|fact| (event, fact))) {
        None => scene.file(),
        Some((event, fact)) => scene.play(event, fact).await,
    }
    .with_context(|| format!("{} of contract {}", scene.name, sample.id()))
}

fn act_name(sample: &Sample, event: Option<usize>) -> String {
    format!("{}-{}", sample.id(), event.map_or("filed".to_owned(), |event| event.to_string()))
}

struct Scene<'a> {
    world: &'a World,
    sample: &'a Sample,
    /// Name of the act.
    name: String,
}

impl Scene<'_> {
    fn observes(&self, leg: Leg) -> bool {
        self.sample.case.events().iter().any(|fact| matches!(&fact.event, Event::Observed(seen) if seen.leg == leg))
    }

    /// The contract is filed; where the case tells nothing else, the deal is won and every milestone has an issue.
    fn file(&self) -> anyhow::Result<()> {
        let terms = &self.sample.contract;
        if !self.observes(Leg::Crm) {
            let record = json!({
                "stage": "closed_won", "amount": terms["total"], "currency": terms["currency"], "customer": terms["customer"],
                "payment_terms": terms.get("payment_terms").cloned().unwrap_or("net 30".into()),
            });
            self.deal(&serde_json::from_value(record)?)?;
        }
        if !self.observes(Leg::Psa) {
            for milestone in terms["milestones"].as_array().into_iter().flatten() {
                self.issue(
                    milestone["id"].as_str().unwrap_or_default(),
                    milestone["name"].as_str().unwrap_or_default(),
                )?;
            }
        }
        let mut filed = terms.clone();
        filed["milestoned"] = json!({ "erp": self.sample.erp, "policy": self.sample.policy });
        self.write(&format!("{}.json", self.sample.id()), &filed)
    }

    /// A contract file appears whole: it is renamed into its place.
    fn write(&self, name: &str, content: &Value) -> anyhow::Result<()> {
        let folder = self.world.dir.join("contracts");
        let hidden = folder.join(format!(".{name}"));
        std::fs::write(&hidden, serde_json::to_string_pretty(content)?)?;
        Ok(std::fs::rename(hidden, folder.join(name))?)
    }

    async fn play(&self, index: usize, fact: &Fact) -> anyhow::Result<()> {
        match &fact.event {
            Event::Submitted { milestone, by, evidence } => {
                let issue = self.issue(milestone, milestone)?;
                self.edit(&issue, "clear", by, [(EVIDENCE, json!([]))], Some(PROGRESS))?;
                self.edit(&issue, "submit", by, [(EVIDENCE, options(evidence))], Some("Ready for acceptance"))
            }
            Event::Evidence { milestone, evidence } => {
                let issue = self.issue(milestone, milestone)?;
                let before = self.evidence_before(index, milestone);
                let kept: BTreeSet<String> = before.iter().filter(|name| !evidence.contains(name)).cloned().collect();
                let all: Vec<String> = kept.iter().chain(evidence).cloned().collect();
                self.edit(&issue, "clear", "pm@vendor.example", [(EVIDENCE, options(kept.iter()))], None)?;
                self.edit(&issue, "add", "pm@vendor.example", [(EVIDENCE, options(&all))], None)
            }
            Event::Accepted { milestone, by, role, document, portion } => {
                let issue = self.issue(milestone, milestone)?;
                let fields = [
                    (DOCUMENT, document.clone().map_or(Value::Null, Value::from)),
                    (ROLE, role.as_ref().map_or(Value::Null, |role| json!({ "value": role }))),
                    (PORTION, portion.map_or(Value::Null, |portion| portion.to_string().into())),
                ];
                self.edit(&issue, "back", by, [], Some(PROGRESS))?;
                self.edit(&issue, "accept", by, fields, Some("Accepted"))
            }
            Event::Rejected { milestone, by, role, criteria } => {
                let issue = self.issue(milestone, milestone)?;
                let fields = [
                    (ROLE, role.as_ref().map_or(Value::Null, |role| json!({ "value": role }))),
                    (CRITERIA, if criteria.is_empty() { Value::Null } else { criteria.join("\n").into() }),
                ];
                self.edit(&issue, "back", by, [], Some(PROGRESS))?;
                self.edit(&issue, "reject", by, fields, Some("Rejected"))
            }
            Event::Amended(amendment) => self.amend(index, fact, amendment),
            Event::Payment { invoice, amount, .. } => self.pay(fact, invoice, &amount.to_string()).await,
            Event::Observed(seen) => match seen.leg {
                Leg::Crm => self.deal(&seen.record),
                Leg::Psa => self.project(&seen.record),
                Leg::Agreement | Leg::Erp => self.books(&seen.record),
            },
            Event::Overrule { code, milestone, leg, reason, .. } => {
                let body = json!({ "code": code, "milestone": milestone, "leg": leg, "reason": reason });
                self.decide("exceptions/overrule", body).await
            }
            Event::Review { milestone, decision, .. } => {
                let row = self.world.app.env.store.contract(self.sample.id().to_owned()).await?;
                let row = row.ok_or_else(|| anyhow::anyhow!("{} is not filed", self.sample.id()))?;
                let shown = portfolio::state(&row)?.shown(milestone);
                let body = json!({ "decision": decision, "shown": shown, "reason": "looked at it" });
                self.decide(&format!("milestones/{milestone}/review"), body).await
            }
            Event::Adopted { .. }
            | Event::Approved { .. }
            | Event::Cost { .. }
            | Event::ExternalEvent { .. }
            | Event::PeriodClosed { .. }
            | Event::Usage { .. } => self.tell(fact).await,
            Event::PaymentReversed { .. } | Event::Withdrawn { .. } => self.bank(fact).await,
        }
    }

    /// Evidence that the issue's field shows before an event.
    fn evidence_before(&self, index: usize, milestone: &str) -> BTreeSet<String> {
        let mut shown = BTreeSet::new();
        for fact in self.sample.case.events().iter().take(index) {
            match &fact.event {
                Event::Submitted { milestone: id, evidence, .. } if id == milestone => {
                    shown = evidence.iter().cloned().collect()
                }
                Event::Evidence { milestone: id, evidence } if id == milestone => {
                    shown.extend(evidence.iter().cloned())
                }
                _ => {}
            }
        }
        shown
    }

    // ---- Jira

    /// The issue of a milestone; it is created where there is none.
    fn issue(&self, milestone: &str, name: &str) -> anyhow::Result<String> {
        let fields = fields(json!({
            "summary": format!("{} {milestone}: {name}", self.sample.id()),
            CONTRACT: self.sample.id(), MILESTONE: milestone, "status": "To Do",
        }));
        Ok(self
            .world
            .simulators
            .jira
            .create_issue(&format!("issue-{}-{milestone}", self.sample.id()), "MS", fields)?
            .id)
    }

    fn edit<'a>(
        &self,
        issue: &str,
        step: &str,
        by: &str,
        fields: impl IntoIterator<Item = (&'a str, Value)>,
        status: Option<&str>,
    ) -> anyhow::Result<()> {
        let person = Person { account_id: format!("account-{by}"), display_name: by.into(), email: by.into() };
        let fields: BTreeMap<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(self.world.simulators.jira.edit(&format!("{}-{step}-{issue}", self.name), issue, &person, fields, status)?)
    }

    /// The project tool shows these milestones and no others.
    fn project(&self, record: &LegRecord) -> anyhow::Result<()> {
        let listed = record.milestones.as_deref().unwrap_or_default();
        let terms: BTreeSet<&str> = self.sample.contract["milestones"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|value| value["id"].as_str())
            .collect();
        for said in listed {
            let issue = self.issue(&said.id, &said.id)?;
            let shown = [
                (AMOUNT, said.amount.map_or(Value::Null, |amount| amount.to_string().into())),
                (WINDOW, said.window_days.map_or(Value::Null, |days| days.to_string().into())),
                (
                    DEEMED,
                    said.deemed.map_or(Value::Null, |deemed| json!({ "value": if deemed { "Yes" } else { "No" } })),
                ),
                (COMPLETION, said.completion.as_ref().map_or(Value::Null, |completion| json!({ "value": completion }))),
            ];
            let status = match said.status.as_deref() {
                Some("done") => Some("Done"),
                Some(_) => Some(PROGRESS),
                None => None,
            };
            self.edit(&issue, "observed", "pm@vendor.example", shown, status)?;
        }
        let gone = self
            .known_issues()
            .into_iter()
            .filter(|id| !listed.iter().any(|said| said.id == *id) && !terms.contains(id.as_str()));
        for id in gone {
            let issue = self.issue(&id, &id)?;
            self.world.simulators.jira.delete_issue(&format!("{}-delete-{id}", self.name), &issue)?;
        }
        Ok(())
    }

    /// Milestones that an observation has shown.
    fn known_issues(&self) -> BTreeSet<String> {
        let shown = self.sample.case.events().iter().filter_map(|fact| match &fact.event {
            Event::Observed(seen) if seen.leg == Leg::Psa => seen.record.milestones.clone(),
            _ => None,
        });
        let applied = |id: &String| {
            self.world.simulators.jira.issues().iter().any(|issue| issue.text(&format!("fields.{MILESTONE}")) == *id)
        };
        shown.flatten().map(|milestone| milestone.id).filter(applied).collect()
    }

    // ---- Salesforce

    fn deal(&self, record: &LegRecord) -> anyhow::Result<()> {
        let salesforce = &self.world.simulators.salesforce;
        let customer = record.customer.as_deref().unwrap_or("Unknown");
        let account = salesforce.put(
            &format!("account-{customer}"),
            "Account",
            &format!("account {customer}"),
            fields(json!({ "Name": customer })),
        )?;
        let stage = if record.stage.as_deref() == Some("closed_won") { "Closed Won" } else { "Negotiation/Review" };
        let shown = json!({
            "Name": format!("{} {}", customer, self.sample.title), "AccountId": account, "StageName": stage, "CloseDate": "2026-01-05",
            "Amount": record.amount.map(|amount| amount.to_string()), "CurrencyIsoCode": record.currency,
            "SOW_Number__c": self.sample.id(), "Payment_Terms__c": record.payment_terms,
            "Amendment_Version__c": record.version,
        });
        salesforce.put(&format!("{}-deal", self.name), "Opportunity", self.sample.id(), exactly(shown))?;
        Ok(())
    }

    // ---- agreement

    fn amend(&self, index: usize, fact: &Fact, amendment: &Amendment) -> anyhow::Result<()> {
        let known = self.sample.case.events().iter().take(index).any(|earlier| {
            matches!(&earlier.event, Event::Amended(earlier) if earlier.signed && earlier.version >= amendment.version)
        });
        if amendment.signed && !known {
            // Sales and project tool are brought up to date together with the signature.
            if let (Some(total), false) = (amendment.total, self.observes(Leg::Crm)) {
                let shown = json!({ "Amount": total.to_string() });
                self.world.simulators.salesforce.put(
                    &format!("{}-deal", self.name),
                    "Opportunity",
                    self.sample.id(),
                    fields(shown),
                )?;
            }
            for added in &amendment.add {
                self.issue(added["id"].as_str().unwrap_or_default(), added["name"].as_str().unwrap_or_default())?;
            }
            for id in &amendment.remove {
                let issue = self.issue(id, id)?;
                self.world.simulators.jira.delete_issue(&format!("{}-delete-{id}", self.name), &issue)?;
            }
        }
        let mut filed = serde_json::to_value(amendment)?;
        filed["amends"] = self.sample.id().into();
        filed["at"] = fact.at.to_string().into();
        self.write(&format!("{}.amendment-{index}.json", self.sample.id()), &filed)
    }

    // ---- ERP

    /// The customer pays. Money for an invoice that the ERP does not know stands on the bank statement alone.
    async fn pay(&self, fact: &Fact, invoice: &str, amount: &str) -> anyhow::Result<()> {
        let (act, date) = (format!("{}-pay", self.name), self.sample.case.terms().local_date(fact.at).to_string());
        let simulators = &self.world.simulators;
        let paid = match self.sample.erp.as_str() {
            "netsuite" => simulators.netsuite.pay(&act, invoice, amount, &date),
            _ => simulators.quickbooks.pay(&act, invoice, amount, &date),
        };
        match paid {
            Ok(_) => Ok(()),
            Err(_) => self.bank(fact).await,
        }
    }

    /// What a connection to a bank would read.
    async fn bank(&self, fact: &Fact) -> anyhow::Result<()> {
        let env = &self.world.app.env;
        let (contract, identity) = (self.sample.id().to_owned(), format!("bank:{}", self.name));
        let fact = NewFact { contract, identity, fact: fact.clone(), actor: "bank".into() };
        env.store.add_facts(vec![fact], env.clock.now()).await?;
        env.wake_ups.send_all();
        Ok(())
    }

    /// What accountants configured and wrote by hand.
    fn books(&self, record: &LegRecord) -> anyhow::Result<()> {
        let own = format!("{}-", self.sample.id());
        for invoice in record.invoices.iter().flatten().filter(|invoice| !invoice.number.starts_with(&own)) {
            if self.sample.erp == "netsuite" {
                self.netsuite_invoice(invoice)?
            } else {
                self.quickbooks_invoice(invoice)?
            }
        }
        match &record.milestones {
            Some(milestones) => self.order(milestones, record.version),
            None => Ok(()),
        }
    }

    /// The customer as an accountant entered it, with its currency.
    fn netsuite_customer(&self) -> anyhow::Result<(String, &'static str)> {
        let terms = self.sample.case.terms();
        let currency = currency_id(terms.currency().code())?;
        let body = json!({ "companyName": terms.customer(), "currency": { "id": currency } });
        let act = format!("customer-{}", terms.customer());
        Ok((self.world.simulators.netsuite.put_record(&act, "customer", "", fields(body))?, currency))
    }

    fn netsuite_invoice(&self, invoice: &LegInvoice) -> anyhow::Result<()> {
        let (entity, currency) = self.netsuite_customer()?;
        let (act, amount) = (format!("hand-{}", invoice.number), invoice.amount.to_string());
        let body = json!({
            "entity": { "id": entity }, "tranId": invoice.number, "tranDate": invoice.date.to_string(), "currency": { "id": currency },
            "custbody_milestoned_contract": self.sample.id(), "custbody_milestoned_milestone": invoice.milestone,
            "item": { "items": [{ "item": { "id": "5" }, "quantity": 1, "rate": amount, "amount": amount }] },
        });
        let netsuite = &self.world.simulators.netsuite;
        netsuite.put_record(&act, "invoice", "", fields(body))?;
        if invoice.status == "void" {
            netsuite.void_invoice(&format!("{act}-void"), &invoice.number)?;
        }
        Ok(())
    }

    fn quickbooks_invoice(&self, invoice: &LegInvoice) -> anyhow::Result<()> {
        let (quickbooks, customer) = (&self.world.simulators.quickbooks, self.sample.case.terms().customer());
        let id = quickbooks.put_record(
            &format!("customer-{customer}"),
            "Customer",
            fields(json!({ "DisplayName": customer })),
        )?;
        let (act, amount) = (format!("hand-{}", invoice.number), invoice.amount.to_string());
        let text = |definition: &str, text: &str| json!({ "DefinitionId": definition, "Type": "StringType", "StringValue": text });
        let body = json!({
            "CustomerRef": { "value": id }, "DocNumber": invoice.number, "TxnDate": invoice.date.to_string(),
            "CustomField": [text("1", self.sample.id()), text("2", &invoice.milestone)],
            "Line": [{ "DetailType": "SalesItemLineDetail", "Amount": amount,
                       "SalesItemLineDetail": { "ItemRef": { "value": "1" }, "Qty": 1, "UnitPrice": amount } }],
        });
        quickbooks.put_record(&act, "Invoice", fields(body))?;
        if invoice.status == "void" {
            quickbooks.void_invoice(&format!("{act}-void"), &invoice.number)?;
        }
        Ok(())
    }

    /// The sales order that says how milestones are billed.
    fn order(&self, milestones: &[LegMilestone], version: Option<u32>) -> anyhow::Result<()> {
        let (entity, currency) = self.netsuite_customer()?;
        let line = |leg_milestone: &LegMilestone| {
            let amount = leg_milestone.amount.map_or("0".to_owned(), |amount| amount.to_string());
            json!({
                "item": { "id": "5" }, "quantity": 1, "rate": amount, "amount": amount, "custcol_milestoned_milestone": leg_milestone.id,
                "description": leg_milestone.description, "custcol_milestoned_timing": leg_milestone.timing,
                "custcol_milestoned_billing_rule": leg_milestone.invoice, "custcol_milestoned_recognition": leg_milestone.recognition_method,
            })
        };
        let lines: Vec<Value> = milestones.iter().map(|milestone| Value::Object(fields(line(milestone)))).collect();
        let number = format!("SO-{}", self.sample.id());
        let body = json!({
            "entity": { "id": entity }, "tranId": number, "tranDate": "2026-01-05", "currency": { "id": currency },
            "custbody_milestoned_contract": self.sample.id(), "custbody_milestoned_version": version.map(|version| version.to_string()),
            "item": { "items": lines },
        });
        self.world.simulators.netsuite.put_record(
            &format!("{}-order", self.name),
            "salesOrder",
            &number,
            fields(body),
        )?;
        Ok(())
    }

    // ---- API

    /// A reviewer decides.
    async fn decide(&self, path: &str, body: Value) -> anyhow::Result<()> {
        let url = format!("{}/v1/contracts/{}/{path}", self.world.url, self.sample.id());
        let answer = post(&url, (DECIDES, &self.name), body).await?;
        // 404: the demo was killed after this act, and does it again; what it closes does not wait any more.
        anyhow::ensure!(answer.0 < 300 || answer.0 == 404, "the API answered {}: {}", answer.0, answer.1);
        Ok(())
    }

    /// What no connected system tells, told over the API.
    async fn tell(&self, fact: &Fact) -> anyhow::Result<()> {
        let url = format!("{}/v1/contracts/{}/facts", self.world.url, self.sample.id());
        let answer = post(&url, (TOKEN, &self.name), serde_json::to_value(fact)?).await?;
        anyhow::ensure!(answer.0 < 300, "the API answered {}: {}", answer.0, answer.1);
        Ok(())
    }
}

async fn post(url: &str, (token, key): (&str, &str), body: Value) -> anyhow::Result<(u16, String)> {
    let client = reqwest::Client::builder().build()?;
    let answer =
        client.post(url).bearer_auth(token).header("Idempotency-Key", format!("demo-{key}")).json(&body).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Fields as they are; null clears one.
fn exactly(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// Fields that have a value.
fn fields(value: Value) -> Fields {
    exactly(value).into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn options<'a>(names: impl IntoIterator<Item = &'a String>) -> Value {
    names.into_iter().map(|name| json!({ "value": name })).collect()
}

fn currency_id(code: &str) -> anyhow::Result<&'static str> {
    match code {
        "USD" => Ok("1"),
        "JPY" => Ok("5"),
        "KWD" => Ok("7"),
        _ => anyhow::bail!("the director knows no currency {code}"),
    }
}
