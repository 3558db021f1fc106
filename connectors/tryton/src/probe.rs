//! Whether a connection can do its work; every problem at once.

use jiff::civil::Date;
use milestoned_connector_kit::{Fault, Probe};
use milestoned_mapping::problem::Problem;
use serde_json::json;

use super::{Question, Tryton, wire};

const RIGHTS: &str = "give the application's user the groups Accounting and Party Administration";

impl Tryton {
    /// Periods that contain a date.
    pub(crate) async fn periods(&self, date: Date) -> Result<Vec<wire::Period>, Fault> {
        let date = wire::date(date);
        let domain = json!([
            ["company", "=", self.settings.company],
            ["type", "=", "standard"],
            ["start_date", "<=", date],
            ["end_date", ">=", date],
        ]);
        self.find_all("account.period", &Question { domain, fields: &["name", "state"], ..Question::default() }).await
    }

    async fn probe_accounts(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let wanted = ["code", "closed", "type.receivable", "type.revenue"];
        for (name, id) in &self.settings.accounts {
            let place = format!("accounts.{name}");
            let account: wire::Account = match self.get("account.account", *id, &wanted).await {
                Ok(account) => account,
                Err(fault) => {
                    problems.push(Problem::new(place, fault.to_string(), "give the id of an account of the company"));
                    continue;
                }
            };
            let code = account.code.unwrap_or_default();
            let kind = |flag: fn(&wire::AccountType) -> &serde_json::Value| {
                account.kind.as_ref().is_some_and(|kind| wire::is_set(flag(kind)))
            };
            if wire::is_set(&account.closed) || account.kind.is_none() {
                let said = format!("nothing can be posted to account {code}: it is closed, or has no type");
                problems.push(Problem::new(&place, said, "give an account that can be posted to"));
            } else if name == "accounts_receivable" && !kind(|kind| &kind.receivable) {
                let said = format!("account {code} is of a type that is not receivable");
                problems.push(Problem::new(&place, said, "give the account to which customer invoices post"));
            } else if name == "deferred_revenue" && !kind(|kind| &kind.revenue) && !self.takes_deposits(*id).await {
                let said = format!("invoices post to no account of the type of {code}");
                let remedy = "give it a type with \"Revenue\" and, as its credit type, the liability; or install the \
                              module account_deposit and give it a type with \"Deposit\"";
                problems.push(Problem::new(&place, said, remedy));
            }
        }
        problems
    }

    /// Whether an account's type lets invoices post to it by the module account_deposit. Without the module the field is
    /// not there, and the question is refused.
    async fn takes_deposits(&self, id: i64) -> bool {
        let account: Result<wire::Account, Fault> = self.get("account.account", id, &["type.deposit"]).await;
        account.is_ok_and(|account| account.kind.is_some_and(|kind| wire::is_set(&kind.deposit)))
    }

    async fn probe_record(&self, place: &str, model: &str, id: i64) -> Option<Problem> {
        let found: Result<wire::Row, Fault> = self.get(model, id, &[]).await;
        found
            .err()
            .map(|fault| Problem::new(place, fault.to_string(), "give the id that Tryton shows, or grant reading"))
    }
}

impl Probe for Tryton {
    async fn probe(&self) -> Vec<Problem> {
        if let Err(fault) = self.company().await {
            let remedy = "see that base_url, database, company and key are right; a key must be validated in Tryton";
            return vec![Problem::new("key", fault.to_string(), remedy)];
        }
        let mut problems = self.probe_accounts().await;
        let journals =
            [("invoice_journal", self.settings.invoice_journal), ("entry_journal", self.settings.entry_journal)];
        for (place, id) in journals {
            problems.extend(self.probe_record(place, "account.journal", id).await);
        }
        for (name, id) in &self.settings.terms {
            let place = format!("terms.\"{name}\"");
            problems.extend(self.probe_record(&place, "account.invoice.payment_term", *id).await);
        }
        for id in &self.settings.taxes {
            problems.extend(self.probe_record("taxes", "account.tax", *id).await);
        }
        let today = self.client.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        match self.periods(today).await {
            Err(fault) => problems.push(Problem::new("account.period", fault.to_string(), RIGHTS)),
            Ok(periods) => match periods.iter().find(|period| period.state == "open") {
                Some(_) => {}
                None => {
                    let names: Vec<&str> = periods.iter().map(|period| period.name.as_str()).collect();
                    let said = format!("no period of {today} is open ({})", names.join(", "));
                    problems.push(Problem::new("account.period", said, "create the fiscal year, or open its period"));
                }
            },
        }
        problems
    }
}
