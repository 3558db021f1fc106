//! What people do in a week, the same in every run: deals are won, contracts filed, work accepted, rejected and amended,
//! invoices paid and voided. Every act has a name and may be repeated; what the daemon is told over its API is told again
//! until it has said that it took it.

use std::collections::BTreeMap;
use std::time::Duration;

use milestoned_mocks::Person;
use milestoned_tests::fields;
use serde_json::{Value, json};

use crate::daemon::call;
use crate::world::{World, pause};

/// Days with acts. The day after them only closes the books.
pub const DAYS: u32 = 4;
/// Work accepted, paid for, and so on is worth this much beside what sets a contract apart.
const BASE: u64 = 100_000;

/// Something the daemon has said that it took.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// A contract, by its id.
    Contract(String),
    /// An amendment, by contract and version.
    Amendment(String, u32),
    /// A fact, by contract and idempotency key.
    Fact(String, String),
    /// A webhook, by connection and delivery id.
    Webhook(String, String),
}

/// So many contracts.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Contracts.
    pub contracts: u32,
}

/// One contract of the script.
struct Act<'a> {
    world: &'a World,
    number: u32,
    id: String,
    taken: &'a mut Vec<Taken>,
}

impl Script {
    /// Does what people do on a day, for one contract. `taken` grows by what the daemon says that it took.
    ///
    /// # Errors
    /// A simulator refused, or the daemon refused what it should take.
    pub async fn act(&self, world: &World, day: u32, number: u32, taken: &mut Vec<Taken>) -> anyhow::Result<()> {
        let mut act = Act { world, number, id: format!("SOW-{number}"), taken };
        match day {
            0 => act.begin().await,
            1 => act.amend().await,
            2 => act.dispute(),
            _ => act.finish(),
        }
    }
}

impl Script {
    /// Invoices that the first day leads to.
    pub fn invoices_of_first_day(&self) -> usize {
        (0..self.contracts).map(|number| if number % 6 == 5 { 0 } else { 1 + usize::from(number % 4 == 1) }).sum()
    }
}

/// Dollars and cents.
fn money(cents: u64) -> String {
    format!("{}.{:02}", cents.div_euclid(100), cents.rem_euclid(100))
}

impl Act<'_> {
    fn erp(&self) -> &'static str {
        if self.number.is_multiple_of(2) { "netsuite" } else { "quickbooks" }
    }

    /// Each contract's own power of two shows in any sum what is missing or there twice.
    fn first(&self) -> u64 {
        BASE.saturating_add(1_u64.checked_shl(self.number.rem_euclid(40)).unwrap_or(0))
    }

    fn amended(&self) -> bool {
        self.number.is_multiple_of(3)
    }

    /// Its work is done before its deal is won: an exception holds its invoices for a day.
    fn won_late(&self) -> bool {
        self.number % 6 == 5
    }

    fn told_over_api(&self) -> bool {
        self.number % 4 == 1
    }

    async fn begin(&mut self) -> anyhow::Result<()> {
        let total = money(self.first().saturating_add(BASE));
        self.deal(&total, if self.won_late() { "Negotiation/Review" } else { "Closed Won" })?;
        self.issue("M1")?;
        self.issue("M2")?;
        let terms = json!({
            "id": self.id, "customer": format!("Customer {}", self.number % 5), "currency": "USD", "total": total,
            "signed_on": "2026-03-02", "obligations": [{ "id": "services", "ssp": total, "method": "output" }],
            "milestones": [
                { "id": "M1", "name": "Design", "amount": money(self.first()) },
                { "id": "M2", "name": "Build", "amount": money(BASE) },
            ],
            // Whatever is read first: nothing is invoiced before the deal was seen.
            "milestoned": { "erp": self.erp(), "policy": { "review": "none", "require_legs": ["crm"] } },
        });
        if self.number % 4 < 2 {
            let path = format!("/v1/contracts/{}", self.id);
            self.tell("PUT", &path, "", &terms, Taken::Contract(self.id.clone())).await?;
        } else {
            // A contract file appears whole.
            let folder = self.world.folder.path().join("contracts");
            let hidden = folder.join(format!(".{}.json", self.id));
            std::fs::write(&hidden, terms.to_string())?;
            std::fs::rename(hidden, folder.join(format!("{}.json", self.id)))?;
        }
        self.edit("M1", "accept", "Accepted", true)?;
        if self.told_over_api() {
            let accepted = json!({ "type": "accepted", "milestone": "M2", "by": "dana", "document": "https://docs.example/2.pdf" });
            self.fact("accepted-M2", &accepted).await?;
        }
        Ok(())
    }

    async fn amend(&mut self) -> anyhow::Result<()> {
        if self.number.is_multiple_of(2) {
            self.pay("M1", "100.00")?;
        }
        if !self.told_over_api() {
            self.edit("M2", "accept", "Accepted", true)?;
        }
        if self.amended() {
            let total = money(self.first().saturating_add(BASE).saturating_add(BASE));
            let add = json!([{ "id": "M3", "name": "Handover", "amount": money(BASE), "obligation": "services" }]);
            let body = json!({ "version": 2, "signed": true, "total": total, "treatment": "catch_up", "add": add });
            let path = format!("/v1/contracts/{}/amendments", self.id);
            self.tell("POST", &path, "", &body, Taken::Amendment(self.id.clone(), 2)).await?;
            self.deal(&total, "Closed Won")?;
            self.issue("M3")?;
        }
        if self.won_late() {
            self.deal(&money(self.first().saturating_add(BASE)), "Closed Won")?;
        }
        Ok(())
    }

    fn dispute(&mut self) -> anyhow::Result<()> {
        match self.number % 7 {
            _ if self.won_late() => Ok(()),
            // The customer takes back what was accepted.
            1 => self.edit("M1", "reject", "Rejected", false),
            // Somebody voids our invoice in the ERP.
            3 => self.void("M1"),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.pay("M2", "250.00")?;
        if self.number % 7 == 1 {
            self.edit("M1", "again", "Accepted", true)?;
        }
        if self.amended() {
            self.edit("M3", "accept", "Accepted", true)?;
        }
        Ok(())
    }

    // ---- the simulated systems

    fn deal(&self, total: &str, stage: &str) -> anyhow::Result<()> {
        let (salesforce, customer) = (&self.world.simulators.salesforce, format!("Customer {}", self.number % 5));
        let account = salesforce.put(
            &format!("account {customer}"),
            "Account",
            &format!("account {customer}"),
            fields(json!({ "Name": customer })),
        )?;
        let deal = json!({
            "Name": self.id, "AccountId": account, "StageName": stage, "CloseDate": "2026-03-02",
            "Amount": total, "CurrencyIsoCode": "USD", "SOW_Number__c": self.id, "Payment_Terms__c": "net 30",
        });
        salesforce.put(&format!("deal {} {total} {stage}", self.id), "Opportunity", &self.id, fields(deal))?;
        Ok(())
    }

    fn issue(&self, milestone: &str) -> anyhow::Result<String> {
        let shown = json!({
            "summary": format!("{} {milestone}", self.id), "status": "To Do",
            "customfield_10101": self.id, "customfield_10102": milestone,
        });
        Ok(self.world.simulators.jira.create_issue(&format!("issue {} {milestone}", self.id), "MS", fields(shown))?.id)
    }

    fn edit(&self, milestone: &str, act: &str, status: &str, document: bool) -> anyhow::Result<()> {
        let issue = self.issue(milestone)?;
        let person =
            Person { account_id: "dana".into(), display_name: "Dana".into(), email: "dana@customer.example".into() };
        let mut shown: BTreeMap<String, Value> = BTreeMap::new();
        if document {
            shown.insert("customfield_10105".into(), "https://docs.example/signed.pdf".into());
        }
        let jira = &self.world.simulators.jira;
        jira.edit(&format!("back {act} {issue}"), &issue, &person, BTreeMap::new(), Some("In Progress"))?;
        Ok(jira.edit(&format!("{act} {issue}"), &issue, &person, shown, Some(status))?)
    }

    fn pay(&self, milestone: &str, amount: &str) -> anyhow::Result<()> {
        let (number, act) = (format!("{}-{milestone}", self.id), format!("pay {} {milestone}", self.id));
        let date = self.world.now().strftime("%Y-%m-%d").to_string();
        match self.erp() {
            "netsuite" => self.world.simulators.netsuite.pay(&act, &number, amount, &date)?,
            _ => self.world.simulators.quickbooks.pay(&act, &number, amount, &date)?,
        };
        Ok(())
    }

    fn void(&self, milestone: &str) -> anyhow::Result<()> {
        let (number, act) = (format!("{}-{milestone}", self.id), format!("void {} {milestone}", self.id));
        match self.erp() {
            "netsuite" => self.world.simulators.netsuite.void_invoice(&act, &number)?,
            _ => self.world.simulators.quickbooks.void_invoice(&act, &number)?,
        }
        Ok(())
    }

    // ---- the daemon

    async fn fact(&mut self, name: &str, body: &Value) -> anyhow::Result<()> {
        let (path, key) = (format!("/v1/contracts/{}/facts", self.id), format!("{} {name}", self.id));
        self.tell("POST", &path, &key, body, Taken::Fact(self.id.clone(), key.clone())).await
    }

    /// Tells the daemon until it says that it took it: a dead one, or one that dies before its answer, is told again.
    async fn tell(&mut self, method: &str, path: &str, key: &str, body: &Value, taken: Taken) -> anyhow::Result<()> {
        for _ in 0..20_000 {
            match call(&self.world.url(), method, path, key, Some(body)).await {
                Some((200..300, _)) => {
                    self.taken.push(taken);
                    return Ok(());
                }
                Some((400..500, why)) => anyhow::bail!("{method} {path} was refused: {why}"),
                _ => pause(Duration::from_millis(3)).await,
            }
        }
        anyhow::bail!("{method} {path} was not taken")
    }
}
