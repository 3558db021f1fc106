//! Checks a connection: rights, accounts, item, terms, fields, and the way in which revenue is to be recognised.

use std::collections::BTreeMap;

use milestoned_connector_kit::extra::{self, Kind};
use milestoned_connector_kit::{Expiry, Fault, Probe, Source};
use milestoned_mapping::problem::Problem;
use reqwest::Method;
use serde_json::Value;

use super::settings::{Auth, Orders, Revenue};
use super::sql::{self, From, listed, quoted};
use super::wire::Governance;
use super::{NetSuite, PUBLISHED};

impl Probe for NetSuite {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let ids = self.settings.accounts.values().map(String::as_str);
        match self.query(&format!("SELECT id FROM account WHERE id IN ({})", listed(ids))).await {
            Err(fault) => {
                let remedy = "see that address, keys, role and permissions are right";
                return vec![Problem::new("auth", fault.to_string(), remedy)];
            }
            Ok(rows) => {
                let missing =
                    self.settings.accounts.iter().filter(|(_, id)| !rows.iter().any(|row| row.get("id") == Some(id)));
                problems.extend(missing.map(|(name, id)| {
                    let place = format!("accounts.{name}");
                    Problem::new(place, format!("there is no account {id}"), "give the account's internal id")
                }));
            }
        }
        problems.extend(self.probe_item().await);
        problems.extend(self.probe_terms().await);
        problems.extend(self.probe_fields().await);
        problems.extend(self.probe_writing().await);
        problems.extend(self.probe_extra().await);
        problems.extend(self.probe_customers().await);
        problems.extend(self.probe_limits().await);
        problems
    }

    async fn expiries(&self) -> Vec<Expiry> {
        let Auth::Oauth2 { certificate_ends: Some(end), .. } = &self.settings.auth else { return Vec::new() };
        let at = end.to_zoned(self.zone.clone()).map(|end| end.timestamp());
        let remedy =
            "map a new certificate for the same role, and set certificate_id, private_key and certificate_ends";
        at.map(|at| vec![Expiry { what: "the certificate that signs in", at, remedy }]).unwrap_or_default()
    }
}

/// The record type of a kind, and the sublist with its lines.
fn record_type(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::CreditMemo => ("creditMemo", "item"),
        Kind::Customer => ("customer", "addressBook"),
        Kind::Invoice => ("invoice", "item"),
        Kind::JournalEntry => ("journalEntry", "line"),
        Kind::Order => ("salesOrder", "item"),
    }
}

impl NetSuite {
    async fn probe_item(&self) -> Option<Problem> {
        let sql = format!("SELECT id, incomeaccount FROM item WHERE id = {}", quoted(&self.settings.item));
        let rows = match self.query(&sql).await {
            Ok(rows) => rows,
            Err(fault) => return Some(Problem::new("item", fault.to_string(), "see that the role may read items")),
        };
        let Some(row) = rows.first() else {
            let said = format!("there is no item {}", self.settings.item);
            return Some(Problem::new("item", said, "give the service item's internal id"));
        };
        let deferred = self.settings.accounts.get("deferred_revenue").map(String::as_str);
        let income = row.get("incomeaccount").filter(|income| Some(*income) != deferred)?;
        let said =
            format!("its income account is {income}, not accounts.deferred_revenue: invoices would be revenue at once");
        Some(Problem::new("item", said, "give the item deferred revenue as its income account"))
    }

    async fn probe_terms(&self) -> Vec<Problem> {
        let ids = self.settings.terms.values().map(String::as_str);
        if self.settings.terms.is_empty() {
            return Vec::new();
        }
        let rows = match self.query(&format!("SELECT id, name FROM term WHERE id IN ({})", listed(ids))).await {
            Ok(rows) => rows,
            Err(fault) => return vec![Problem::new("terms", fault.to_string(), "see that the role may read terms")],
        };
        let known = |name: &str, id: &str| {
            let row = rows.iter().find(|row| row.get("id") == Some(id));
            row.and_then(|row| row.get("name")).is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        let wrong = self.settings.terms.iter().filter(|(name, id)| !known(name, id));
        wrong
            .map(|(name, id)| {
                let said = format!("term {id} has another name, or is missing");
                Problem::new(format!("terms.\"{name}\""), said, "give the term's internal id")
            })
            .collect()
    }

    /// Every stream once: a field that is not there is named by the refusal.
    async fn probe_fields(&self) -> Vec<Problem> {
        let now = sql::local_since(self.client.now(), self.client.now(), &self.zone);
        let mut problems = Vec::new();
        for stream in self.streams() {
            let page = sql::page(&self.settings, &self.customers, stream, From::Since(now), 1);
            let lines = match *stream {
                "orders" => Some(sql::order_lines(&self.settings, "'0'", (0, 0), 1)),
                "journals" => Some(sql::entry_lines(&self.settings, &self.customers, "'0'", (0, 0), 1)),
                "payments" => Some(sql::applications(&self.settings, "'0'", (0, 0), 1)),
                _ => None,
            };
            for query in std::iter::once(page).chain(lines) {
                if let Err(fault) = self.query(&query).await {
                    let remedy = "see that the role may read these records, and that contract_field, milestone_field, \
                                  version_field, project_field and line_prefix name fields of the account";
                    problems.push(Problem::new(*stream, fault.to_string(), remedy));
                }
            }
        }
        problems
    }

    /// Record types that settings ask for.
    async fn probe_writing(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (kind, place) = match self.settings.revenue {
            Revenue::Journal => ("journalEntry", "revenue"),
            Revenue::BillingEvents => ("billingRevenueEvent", "revenue"),
            Revenue::Schedules => ("revRecSchedule", "revenue"),
        };
        let mut kinds = vec![(kind, place), ("invoice", "role"), ("creditMemo", "role")];
        if self.settings.orders == Orders::Write {
            kinds.push(("salesOrder", "orders"));
        }
        for (kind, place) in kinds {
            if let Err(fault) = self.may_list(kind).await {
                let remedy = "enable the feature and give the role the right, or set another way";
                problems.push(Problem::new(place, format!("{kind}: {fault}"), remedy));
            }
        }
        if self.settings.revenue == Revenue::BillingEvents {
            problems.extend(self.probe_events().await);
        }
        if self.settings.revenue == Revenue::BillingEvents && self.settings.revenue_event_type.is_none() {
            let remedy = "give the internal id of the event type that was made for milestones";
            problems.push(Problem::new("revenue_event_type", "is not set, and every event needs one", remedy));
        }
        problems
    }

    /// Whether the account has events at all: they come with a feature that few accounts have.
    async fn probe_events(&self) -> Option<Problem> {
        let path = "/services/rest/record/v1/metadata-catalog/billingRevenueEvent";
        let answer = self.send(false, Method::GET, path, None, &[]).await.ok()?;
        let remedy = "enable Product Management and Subscription Billing, or set revenue = \"journal\"";
        (answer.status == 404).then(|| Problem::new("revenue", "the account has no billing revenue events", remedy))
    }

    /// Fields that the operator adds, beside those of the record types as the account describes them.
    async fn probe_extra(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut described: BTreeMap<&str, Option<Value>> = BTreeMap::new();
        for (index, extra) in self.settings.extra.iter().enumerate() {
            for kind in extra::kinds(extra) {
                let (kind, sublist) = record_type(kind);
                if !described.contains_key(kind) {
                    described.insert(kind, self.describe(kind).await);
                }
                let Some(Some(schema)) = described.get(kind) else { continue };
                let line = format!("/properties/{sublist}/properties/items/items/properties");
                for (place, fields, at) in
                    [("fields", &extra.fields, "/properties"), ("line", &extra.line, line.as_str())]
                {
                    let Some(known) = schema.pointer(at).and_then(Value::as_object) else { continue };
                    let unknown = fields.keys().filter(|name| !known.contains_key(*name));
                    problems.extend(unknown.map(|name| {
                        let remedy = "write the field's id as the account describes it, and see that the role and the form show it";
                        let place = format!("extra.{index}.{place}.{name}");
                        Problem::new(place, format!("the account's {kind} has no such field"), remedy)
                    }));
                }
            }
        }
        problems
    }

    /// The schema of a record type; nothing where the role may not read it.
    async fn describe(&self, kind: &str) -> Option<Value> {
        let path = format!("/services/rest/record/v1/metadata-catalog/{kind}");
        let answer = self.send(false, Method::GET, &path, None, &[("Accept", "application/schema+json")]).await.ok()?;
        if answer.status.is_success() { serde_json::from_str(&answer.body).ok() } else { None }
    }

    async fn probe_customers(&self) -> Vec<Problem> {
        let unknown = match self.unknown_customers().await {
            Ok(unknown) => unknown,
            Err(fault) => {
                return vec![Problem::new("customers", fault.to_string(), "see that the role may read customers")];
            }
        };
        let named = |id: &String| self.customers.name_of(id);
        unknown
            .iter()
            .map(|id| {
                let place = format!("customers.{:?}", named(id).unwrap_or_default());
                Problem::new(place, format!("there is no customer {id}"), "give the customer's internal id")
            })
            .collect()
    }

    async fn may_list(&self, kind: &str) -> Result<(), Fault> {
        let path = format!("/services/rest/record/v1/{kind}?limit=1");
        let answer = self.send(false, Method::GET, &path, None, &[]).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// What the account allows at once, where the role may know.
    async fn probe_limits(&self) -> Option<Problem> {
        let path = "/services/rest/system/v1/governanceLimits";
        let answer = self.send(false, Method::GET, path, None, &[]).await.ok()?;
        let limits: Governance = serde_json::from_str(&answer.body).ok()?;
        let ours = self.settings.limits.in_flight.unwrap_or(PUBLISHED.in_flight);
        let said = format!("{ours} requests at once, and the account allows {}", limits.account_concurrency_limit);
        (ours > limits.account_concurrency_limit).then(|| {
            Problem::new("limits.in_flight", said, "lower it; whatever else calls the account needs its share")
        })
    }
}
