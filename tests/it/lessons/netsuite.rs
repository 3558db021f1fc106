//! NetSuite.

use jiff::SignedDuration;
use milestoned_connector_kit::conformance::Conditions;
use milestoned_connector_kit::{Class, Cursor, Platform, Probe, Source};
use milestoned_mapping::record::{Content, InvoiceStatus};
use milestoned_mocks::{FaultSpec, Json, LotSpec};
use milestoned_netsuite::NetSuite;
use serde_json::{Value, json};

use super::erp::{credit_memo, customer, find, invoice, order, ordered, pull, put, put_one, release};
use crate::conformance::{Desk, accounts, fields};

pub(crate) struct Account {
    pub(crate) desk: Desk,
    pub(crate) netsuite: NetSuite,
    pub(crate) customer: String,
}

impl Account {
    async fn start() -> Self {
        Self::with(json!({})).await
    }

    /// A connection with these settings beside the usual ones.
    pub(crate) async fn with(changes: Value) -> Self {
        let desk = Desk::open("netsuite").await;
        let netsuite = connect(&desk, changes);
        let body = fields(json!({ "companyName": "Northwind Ltd", "currency": { "id": "1" } }));
        let customer = desk.simulators.netsuite.put_record("customer", "customer", "NW", body).unwrap();
        Self { desk, netsuite, customer }
    }

    /// The same account by a connection with other settings.
    pub(crate) fn again(self, changes: Value) -> Self {
        Self { netsuite: connect(&self.desk, changes), ..self }
    }

    fn fault(&self, name: &str, path: &str) {
        self.desk.simulators.faults.inject("netsuite", FaultSpec::new(name).on("POST", path)).unwrap();
    }

    /// An invoice that somebody else wrote.
    pub(crate) fn by_hand(&self, number: &str, changes: Value) -> String {
        let mut body = fields(json!({ "entity": { "id": self.customer }, "tranId": number, "tranDate": "2026-03-02",
            "custbody_milestoned_contract": "SOW-1", "custbody_milestoned_milestone": "M1",
            "item": { "items": [{ "item": { "id": "5" }, "amount": "10.25" }] } }));
        body.extend(fields(changes));
        self.desk.simulators.netsuite.put_record(number, "invoice", "", body).unwrap()
    }

    pub(crate) fn records(&self, kind: &str) -> Vec<Json> {
        self.desk.simulators.netsuite.records(kind)
    }

    fn later(&self, minutes: i64) {
        self.desk.advance(SignedDuration::from_mins(minutes));
    }
}

fn connect(desk: &Desk, changes: Value) -> NetSuite {
    connect_on(desk, desk.clock.clone().into(), changes)
}

/// A connection that runs on something else than the network.
pub(crate) fn connect_on(desk: &Desk, platform: Platform, changes: Value) -> NetSuite {
    let simulator = &desk.simulators.netsuite;
    let client = simulator.client();
    let mut settings = fields(json!({
        "account": simulator.account(), "base_url": desk.simulators.url("netsuite"), "timezone": "America/Los_Angeles",
        "auth": { "flow": "oauth2", "client_id": client.client_id, "certificate_id": client.certificate_id,
            "private_key": client.private_key, "algorithm": "ES256" },
        "item": "5", "accounts": accounts(["120", "121", "122", "123"]), "terms": { "net 30": "2" },
    }));
    settings.extend(fields(changes));
    NetSuite::build("netsuite", serde_json::from_value(Value::Object(settings)).unwrap(), platform).unwrap()
}

fn tba() -> Value {
    json!({ "auth": { "flow": "tba", "consumer_key": "ck", "consumer_secret": "cs", "token_id": "ti", "token_secret": "ts" } })
}

#[tokio::test]
async fn a_lost_answer_is_found_by_external_id_and_a_second_write_is_refused() {
    let account = Account::start().await;
    let said = invoice("M1", "40000.00", &account.customer);
    account.fault("drop_after_write", "/record/v1/invoice");
    assert_eq!(put_one(&account.netsuite, &said).await.unwrap_err().class, Class::Unanswered);
    let found = find(&account.netsuite, &said).await.unwrap();
    assert_eq!(found.says.number.as_deref(), Some("SOW-1-M1"));
    assert_eq!(put_one(&account.netsuite, &said).await.unwrap_err().class, Class::Unanswered, "it is looked up again");
    assert_eq!(account.records("invoice").len(), 1);
}

#[tokio::test]
async fn a_write_that_lands_later_than_its_second_attempt_is_one() {
    let account = Account::start().await;
    let said = invoice("M1", "40000.00", &account.customer);
    account.fault("write_later(60000)", "/record/v1/invoice");
    assert_eq!(put_one(&account.netsuite, &said).await.unwrap_err().class, Class::Unanswered);
    assert!(find(&account.netsuite, &said).await.is_none());
    put_one(&account.netsuite, &said).await.unwrap();
    account.later(2);
    assert_eq!(account.records("invoice").len(), 1);
}

#[tokio::test]
async fn the_same_invoice_sent_twice_at_once_is_one() {
    let account = Account::start().await;
    let said = invoice("M1", "40000.00", &account.customer);
    let (one, other) = tokio::join!(put_one(&account.netsuite, &said), put_one(&account.netsuite, &said));
    assert_ne!(one.is_ok(), other.is_ok());
    assert_eq!(account.records("invoice").len(), 1);
}

#[tokio::test]
async fn a_customer_is_created_once_whoever_asks_and_in_whatever_currency() {
    let account = Account::start().await;
    let outcomes = put(&account.netsuite, &[customer("Contoso", "USD"), customer("Contoso", "EUR")]).await;
    assert!(outcomes[0].is_ok() && outcomes[1].is_err());
    let known = find(&account.netsuite, &customer("Contoso", "EUR")).await.unwrap();
    assert_eq!(Ok(known.receipt.remote_id), outcomes[0].clone().map(|receipt| receipt.remote_id).map_err(drop));
    assert!(find(&account.netsuite, &customer("contoso", "USD")).await.is_none(), "a name is exact");
}

#[tokio::test]
async fn the_key_is_what_is_said_and_not_when_it_is_said() {
    let account = Account::start().await;
    let said = invoice("M1", "40000.00", &account.customer);
    account.fault("drop_before_write", "/record/v1/invoice");
    assert!(put_one(&account.netsuite, &said).await.is_err());
    account.later(61);
    put_one(&account.netsuite, &said).await.unwrap();
    assert_eq!(account.records("invoice")[0].text("externalId"), format!("msd-{}", said.0));
}

#[tokio::test]
async fn a_refusal_within_a_batch_is_no_success_and_the_rest_goes_on() {
    let account = Account::start().await;
    let mut said: Vec<_> = (1..=5).map(|n| invoice(&format!("M{n}"), "10.25", &account.customer)).collect();
    said[2] = invoice("M3", "10.25", "999999");
    let outcomes = put(&account.netsuite, &said).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true, true]);
    let fault = outcomes[2].clone().unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("entity"), "{fault}");
    assert_eq!(account.records("invoice").len(), 4);
}

#[tokio::test]
async fn a_thousand_invoices_cost_twenty_one_calls() {
    let account = Account::start().await;
    put_one(&account.netsuite, &invoice("M0", "10.25", &account.customer)).await.unwrap();
    let before: u64 = account.desk.simulators.faults.requests("netsuite").values().sum();
    let said: Vec<_> = (1..=1000).map(|n| invoice(&format!("M{n}"), "10.25", &account.customer)).collect();
    assert!(put(&account.netsuite, &said).await.iter().all(Result::is_ok));
    let calls = account.desk.simulators.faults.requests("netsuite").values().sum::<u64>() - before;
    assert_eq!((calls, account.records("invoice").len()), (21, 1001));
}

#[tokio::test]
async fn a_used_idempotency_key_leads_to_the_first_job() {
    let account = Account::start().await;
    let said: Vec<_> = (1..=4).map(|n| invoice(&format!("M{n}"), "10.25", &account.customer)).collect();
    account.fault("drop_after_write", "/record/v1/invoice");
    assert!(put(&account.netsuite, &said).await.iter().all(|one| one.is_err()));
    let again = put(&account.netsuite, &said).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    assert_eq!(account.records("invoice").len(), 4);
}

#[tokio::test]
async fn a_job_that_takes_long_is_in_doubt_and_found_later() {
    let account = Account::with(json!({ "job_patience": "0s" })).await;
    account.desk.simulators.netsuite.set_processing_time(600_000);
    let said: Vec<_> = (1..=4).map(|n| invoice(&format!("M{n}"), "10.25", &account.customer)).collect();
    let outcomes = put(&account.netsuite, &said).await;
    assert!(outcomes.iter().all(|one| one.as_ref().is_err_and(|fault| fault.class == Class::Unanswered)));
    account.later(11);
    assert_eq!(account.records("invoice").len(), 4);
    for one in &said {
        assert!(find(&account.netsuite, one).await.is_some());
    }
}

#[tokio::test]
async fn an_amount_that_no_rate_gives_is_billed_to_the_cent() {
    let account = Account::with(json!({ "orders": "write" })).await;
    put_one(&account.netsuite, &order(1, &[("M1", "100.00"), ("M2", "33.33")], &account.customer)).await.unwrap();
    for (milestone, line, amount) in [("M1", 1, "33.33"), ("M1-A", 1, "66.67"), ("M2", 2, "33.33")] {
        put_one(&account.netsuite, &ordered(milestone, (line, 2), amount, &account.customer)).await.unwrap();
    }
    let totals: Vec<String> = account.records("invoice").iter().map(|one| one.decimal("total").to_string()).collect();
    assert_eq!(totals, ["33.33", "66.67", "33.33"]);
    assert_eq!(account.records("salesOrder")[0].text("status.id"), "G", "all is billed");
}

#[tokio::test]
async fn a_transform_that_is_repeated_makes_no_second_invoice() {
    let account = Account::with(json!({ "orders": "write" })).await;
    put_one(&account.netsuite, &order(1, &[("M1", "100.00"), ("M2", "50.00")], &account.customer)).await.unwrap();
    let said = ordered("M1", (1, 2), "40.00", &account.customer);
    account.fault("drop_after_write", "!transform");
    assert!(put_one(&account.netsuite, &said).await.is_err());
    assert_eq!(put_one(&account.netsuite, &said).await.unwrap_err().class, Class::Unanswered);
    assert_eq!(account.records("invoice").len(), 1);
    assert!(find(&account.netsuite, &said).await.is_some());
}

#[tokio::test]
async fn an_amended_order_keeps_its_lines_and_what_is_billed() {
    let account = Account::with(json!({ "orders": "write" })).await;
    let first = order(1, &[("M1", "100.00"), ("M2", "50.00")], &account.customer);
    put_one(&account.netsuite, &first).await.unwrap();
    put_one(&account.netsuite, &first).await.unwrap();
    put_one(&account.netsuite, &ordered("M1", (1, 2), "100.00", &account.customer)).await.unwrap();
    let second = order(2, &[("M1", "120.00"), ("M2", "50.00"), ("M3", "30.00")], &account.customer);
    put_one(&account.netsuite, &second).await.unwrap();
    assert_eq!(account.records("salesOrder").len(), 1);
    let (records, _) = pull(&account.netsuite, "orders", &Cursor::default()).await;
    let Content::Order(seen) = &records[0].content else { panic!("{records:?}") };
    let lines: Vec<(String, String)> =
        seen.milestones.iter().map(|one| (one.id.clone(), one.amount.unwrap().to_string())).collect();
    let expected = [("M1", "120"), ("M2", "50"), ("M3", "30")].map(|(id, amount)| (id.to_owned(), amount.to_owned()));
    assert_eq!(lines, expected);
    assert_eq!((seen.version, seen.amount.unwrap().to_string().as_str()), (Some(2), "200"));
    put_one(&account.netsuite, &ordered("M1-S1", (1, 3), "20.00", &account.customer)).await.unwrap();
}

#[tokio::test]
async fn a_closed_period_is_for_a_person_and_the_date_stays() {
    let account = Account::start().await;
    account.desk.simulators.netsuite.close_period("close", "2026-03-31").unwrap();
    let fault = put_one(&account.netsuite, &invoice("M1", "10.25", &account.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("reopen it"), "{fault}");
    assert!(account.records("invoice").is_empty());
}

#[tokio::test]
async fn a_misspelt_field_is_refused_and_not_dropped() {
    let account = Account::with(json!({ "milestone_field": "milestoneId" })).await;
    let fault = put_one(&account.netsuite, &invoice("M1", "10.25", &account.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("milestoneId"), "{fault}");
    assert!(account.records("invoice").is_empty());
}

#[tokio::test]
async fn a_backlog_keeps_within_the_requests_that_the_account_allows_at_once() {
    let account = Account::with(json!({ "orders": "write", "limits": { "in_flight": 15 } })).await;
    let milestones: Vec<(String, &str)> = (1..=60).map(|n| (format!("M{n}"), "1.00")).collect();
    let milestones: Vec<(&str, &str)> = milestones.iter().map(|(id, amount)| (id.as_str(), *amount)).collect();
    put_one(&account.netsuite, &order(1, &milestones, &account.customer)).await.unwrap();
    account.desk.simulators.netsuite.set_service_time(5);
    let said: Vec<_> = (1..=60).map(|n| ordered(&format!("M{n}"), (n, 60), "1.00", &account.customer)).collect();
    let outcomes = put(&account.netsuite, &said).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes.iter().find(|one| one.is_err()));
    assert_eq!(account.desk.simulators.faults.throttled("netsuite"), 0);
}

#[tokio::test]
async fn an_overload_that_says_no_when_is_tried_again() {
    let account = Account::start().await;
    account.fault("throttle", "/record/v1/invoice");
    let fault = put_one(&account.netsuite, &invoice("M1", "10.25", &account.customer)).await.unwrap_err();
    assert_eq!(fault.class, Class::Throttled { until: None });
}

#[tokio::test]
async fn one_401_is_not_the_end_of_a_connection() {
    for changes in [json!({}), tba()] {
        let account = Account::with(changes).await;
        account.by_hand("INV-1", json!({}));
        account.netsuite.pull("invoices", &Cursor::default()).await.unwrap();
        account.desk.simulators.faults.inject("netsuite", FaultSpec::new("expire_token")).unwrap();
        let (records, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
        assert_eq!(records.len(), 1);
    }
}

#[tokio::test]
async fn an_address_is_signed_once_as_it_is_sent() {
    let mut changes = tba();
    changes["orders"] = json!("write");
    let account = Account::with(changes).await;
    // `eid:` and `!transform` stand in the address.
    put_one(&account.netsuite, &order(1, &[("M1", "100.00")], &account.customer)).await.unwrap();
    put_one(&account.netsuite, &ordered("M1", (1, 1), "100.00", &account.customer)).await.unwrap();
    assert_eq!(account.records("invoice").len(), 1);
}

#[tokio::test]
async fn an_assertion_is_signed_with_either_algorithm() {
    let account = Account::start().await;
    let (private, public) = (include_str!("keys/ps256.pem"), include_str!("keys/ps256.pub.pem"));
    account.desk.simulators.netsuite.register_key("rsa-client", "rsa-certificate", public).unwrap();
    let auth = json!({ "flow": "oauth2", "client_id": "rsa-client", "certificate_id": "rsa-certificate",
        "private_key": private, "algorithm": "PS256" });
    let netsuite = connect(&account.desk, json!({ "auth": auth }));
    put_one(&netsuite, &invoice("M1", "10.25", &account.customer)).await.unwrap();
    put_one(&account.netsuite, &invoice("M2", "10.25", &account.customer)).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_a_little_ahead_makes_no_assertion_from_the_future() {
    let account = Account::start().await;
    // The simulated account allows five minutes.
    account.desk.skew(SignedDuration::from_secs(330));
    put_one(&account.netsuite, &invoice("M1", "10.25", &account.customer)).await.unwrap();
}

#[tokio::test]
async fn the_account_of_a_sandbox_may_be_written_as_its_address_writes_it() {
    let mut changes = tba();
    changes["account"] = json!("tstdrv123-sb1");
    let account = Account::with(changes).await;
    put_one(&account.netsuite, &invoice("M1", "10.25", &account.customer)).await.unwrap();
    let page = account.netsuite.page_of("invoice", "7").unwrap();
    assert!(page.starts_with("https://tstdrv123-sb1.app.netsuite.com/"), "{page}");
}

#[tokio::test]
async fn a_credit_memo_that_is_larger_than_what_is_left_to_pay_is_written_and_applied_as_far_as_it_goes() {
    let account = Account::start().await;
    let billed = put_one(&account.netsuite, &invoice("M1", "100.00", &account.customer)).await.unwrap().remote_id;
    account.desk.simulators.netsuite.pay("pay", "SOW-1-M1", "80.00", "2026-03-03").unwrap();
    let said = credit_memo("M1", "30.00", &account.customer, &billed);
    put_one(&account.netsuite, &said).await.unwrap();
    assert!(find(&account.netsuite, &said).await.is_some());
    let left = account.records("invoice")[0].decimal("amountRemaining");
    assert!(left.is_zero(), "{left} is left of the invoice");
}

#[tokio::test]
async fn a_record_that_a_workflow_has_locked_is_read() {
    let account = Account::start().await;
    let id = account.by_hand("INV-1", json!({}));
    account.desk.simulators.netsuite.lock_record("lock", "invoice", &id).unwrap();
    let (records, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    assert!(matches!(&records[0].content, Content::Invoice(seen) if seen.number == "INV-1"));
}

#[tokio::test]
async fn what_changes_between_a_sweep_and_local_midnight_is_read() {
    let account = Account::start().await;
    account.by_hand("INV-1", json!({}));
    let (_, cursor) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    // 16:30 in Los Angeles, the next day in UTC.
    account.desk.simulators.clock.set("2026-03-03T00:30:00Z".parse().unwrap());
    account.by_hand("INV-2", json!({}));
    let (records, _) = pull(&account.netsuite, "invoices", &cursor).await;
    assert!(records.iter().any(|one| matches!(&one.content, Content::Invoice(seen) if seen.number == "INV-2")));
}

#[tokio::test]
async fn the_hour_that_comes_twice_loses_nothing() {
    let account = Account::start().await;
    let at = |now: &str| account.desk.simulators.clock.set(now.parse().unwrap());
    // Clocks go back from 02:00 to 01:00 at 09:00 UTC.
    at("2026-11-01T08:59:30Z");
    account.by_hand("INV-1", json!({}));
    let (_, cursor) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    at("2026-11-01T09:05:00Z");
    account.by_hand("INV-2", json!({}));
    let (records, cursor) = pull(&account.netsuite, "invoices", &cursor).await;
    assert!(records.iter().any(|one| matches!(&one.content, Content::Invoice(seen) if seen.number == "INV-2")));
    at("2026-11-01T09:50:00Z");
    account.by_hand("INV-3", json!({}));
    let (records, _) = pull(&account.netsuite, "invoices", &cursor).await;
    assert!(records.iter().any(|one| matches!(&one.content, Content::Invoice(seen) if seen.number == "INV-3")));
}

#[tokio::test]
async fn dates_carry_their_format_whatever_the_account_prefers() {
    for zone in ["Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles"] {
        let account = Account::with(json!({ "timezone": zone })).await;
        assert!(account.desk.simulators.netsuite.set_time_zone(zone));
        account.by_hand("INV-1", json!({}));
        for stream in account.netsuite.streams() {
            let (_, cursor) = pull(&account.netsuite, stream, &Cursor::default()).await;
            let (records, _) = pull(&account.netsuite, stream, &cursor).await;
            if *stream == "invoices" {
                assert_eq!(records[0].at, "2026-03-02T09:00:00Z".parse().unwrap(), "{zone}");
            }
        }
    }
}

#[tokio::test]
async fn rows_of_one_second_are_neither_skipped_nor_doubled() {
    let account = Account::start().await;
    let body = json!({ "entity": { "id": account.customer }, "tranId": "INV-{n}", "tranDate": "2026-03-02",
        "currency": { "id": "1" }, "item": { "items": [{ "item": { "id": "5" }, "amount": "10.25" }] } });
    let lot = LotSpec::new(2500, fields(body), account.desk.simulators.clock.now()).tied(2500);
    account.desk.simulators.netsuite.generate("many", "invoice", &lot).unwrap();
    let (records, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    let mut ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((records.len(), ids.len()), (2500, 2500));
}

#[tokio::test]
async fn a_stream_of_more_rows_than_a_query_may_have_is_read_by_key() {
    let account = Account::start().await;
    let body = json!({ "entity": { "id": account.customer }, "tranId": "INV-{n}", "tranDate": "2026-03-02",
        "currency": { "id": "1" }, "item": { "items": [{ "item": { "id": "5" }, "amount": "10.25" }] } });
    let lot = LotSpec::new(100_500, fields(body), "2026-01-01T00:00:00Z".parse().unwrap());
    account.desk.simulators.netsuite.generate("many", "invoice", &lot).unwrap();
    let (mut cursor, mut count, mut largest) = (Cursor::default(), 0, 0);
    loop {
        let page = account.netsuite.pull("invoices", &cursor).await.unwrap();
        count += page.records.len();
        largest = largest.max(page.records.len());
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!((count, largest), (100_500, 1000));
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let account = Account::start().await;
    let (_, cursor) = pull(&account.netsuite, "deleted", &Cursor::default()).await;
    let invoice = account.by_hand("INV-1", json!({}));
    let other = account.by_hand("INV-2", json!({}));
    let simulator = &account.desk.simulators.netsuite;
    let payment = simulator.pay("pay", "INV-2", "10.25", "2026-03-02").unwrap();
    account.later(1);
    simulator.delete_record("delete 1", "invoice", &invoice).unwrap();
    simulator.delete_record("delete 2", "customerPayment", &payment).unwrap();
    // Nobody can look for three days, and nothing was ever deleted before.
    account.desk.advance(SignedDuration::from_hours(72));
    let (records, cursor) = pull(&account.netsuite, "deleted", &cursor).await;
    let gone: Vec<(&str, &str)> = records.iter().map(|one| (one.object.as_str(), one.id.as_str())).collect();
    assert_eq!(gone, [("invoice", invoice.as_str()), ("customerPayment", payment.as_str())]);
    assert!(records.iter().all(|one| one.content == Content::Gone));
    account.later(30);
    simulator.delete_record("delete 3", "invoice", &other).unwrap();
    let (records, _) = pull(&account.netsuite, "deleted", &cursor).await;
    assert!(records.iter().any(|one| one.id == other));
}

#[tokio::test]
async fn what_the_table_of_deletions_lacks_is_missing_from_the_census() {
    let account = Account::start().await;
    let [gone, kept, paid] = ["INV-1", "INV-2", "INV-3"].map(|number| account.by_hand(number, json!({})));
    let simulator = &account.desk.simulators.netsuite;
    let payment = simulator.pay("pay", "INV-3", "10.25", "2026-03-02").unwrap();
    simulator.delete_record("delete", "invoice", &gone).unwrap();
    let mut counted = Vec::new();
    for stream in account.netsuite.streams() {
        let mut from = Cursor::default();
        while let Some(page) = account.netsuite.census(stream, &from).await.unwrap() {
            counted.extend(page.ids.into_iter().map(|id| (page.object.clone(), id)));
            from = page.next;
            if !page.more {
                break;
            }
        }
    }
    let of = |object: &str| counted.iter().filter(|(of, _)| of == object).map(|(_, id)| id.clone()).collect::<Vec<_>>();
    assert_eq!(of("invoice"), [kept, paid.clone()]);
    assert_eq!(of("customerPayment"), [payment.clone(), format!("{payment}:{paid}")], "and what it pays");
}

#[tokio::test]
async fn what_waits_for_an_approval_is_neither_open_nor_posted() {
    let account = Account::start().await;
    account.by_hand("INV-1", json!({ "approvalStatus": { "id": "1" } }));
    account.by_hand("INV-2", json!({ "approvalStatus": { "id": "3" } }));
    let line = |side: &str, id: &str| json!({ "account": { "id": id }, side: "15.00" });
    let entry = json!({ "tranId": "JE-1", "tranDate": "2026-03-02", "approvalStatus": { "id": "1" },
        "line": { "items": [line("debit", "122"), line("credit", "123")] } });
    account.desk.simulators.netsuite.put_record("entry", "journalEntry", "", fields(entry)).unwrap();
    let (records, _) = pull(&account.netsuite, "invoices", &Cursor::default()).await;
    let told: Vec<InvoiceStatus> = records
        .iter()
        .filter_map(|one| if let Content::Invoice(seen) = &one.content { Some(seen.status) } else { None })
        .collect();
    assert_eq!(told, [InvoiceStatus::Pending, InvoiceStatus::Void]);
    let (records, _) = pull(&account.netsuite, "journals", &Cursor::default()).await;
    assert_eq!(records.iter().map(|one| &one.content).collect::<Vec<_>>(), [&Content::Gone]);
}

#[tokio::test]
async fn a_payment_is_read_invoice_by_invoice_and_says_what_it_pays_now() {
    let account = Account::start().await;
    let ids = [account.by_hand("INV-1", json!({})), account.by_hand("INV-2", json!({}))];
    let apply = |id: &String| json!({ "doc": { "id": id }, "apply": true, "amount": "10.25" });
    let body = json!({ "customer": { "id": account.customer }, "tranDate": "2026-03-02", "payment": "20.50",
        "apply": { "items": ids.iter().map(apply).collect::<Vec<_>>() } });
    let payment = account.desk.simulators.netsuite.put_record("pay", "customerPayment", "", fields(body)).unwrap();
    let (records, _) = pull(&account.netsuite, "payments", &Cursor::default()).await;
    let paid: Vec<String> = records
        .iter()
        .filter_map(|one| match &one.content {
            Content::Payment(seen) => Some(format!("{} {}", seen.invoice, seen.amount)),
            _ => None,
        })
        .collect();
    assert_eq!(paid, ["INV-1 10.25", "INV-2 10.25"]);
    let parts = ids.map(|id| format!("{payment}:{id}")).to_vec();
    assert!(records.iter().any(|one| one.id == payment && one.content == Content::Parts { ids: parts.clone() }));
}

#[tokio::test]
async fn revenue_that_others_recognised_is_told_and_ours_is_not() {
    let account = Account::start().await;
    put_one(&account.netsuite, &release(3, "40.00", &account.customer)).await.unwrap();
    let line = |account: &str, side: &str| json!({ "account": { "id": account }, side: "15.00", "custcol_milestoned_milestone": "M2" });
    let body = json!({ "tranId": "JE-1", "tranDate": "2026-03-04", "custbody_milestoned_contract": "SOW-1",
        "line": { "items": [line("122", "debit"), line("123", "credit")] } });
    account.desk.simulators.netsuite.put_record("entry", "journalEntry", "", fields(body)).unwrap();
    let (records, _) = pull(&account.netsuite, "journals", &Cursor::default()).await;
    let told: Vec<(String, String, usize)> = records
        .iter()
        .filter_map(|one| match &one.content {
            Content::Journal(seen) => {
                Some((seen.number.clone(), seen.deferred.unwrap().to_string(), seen.recognised.len()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [("SOW-1-20260303J".into(), "-40".into(), 0), ("JE-1".into(), "-15".into(), 1)]);
}

#[tokio::test]
async fn revenue_goes_the_way_that_the_account_recognises_it() {
    for (revenue, kind, field) in
        [("billing_events", "billingRevenueEvent", "amount"), ("schedules", "revRecSchedule", "totalAmount")]
    {
        let account = Account::with(json!({ "revenue": revenue, "revenue_event_type": "1" })).await;
        let said = release(3, "40.00", &account.customer);
        if revenue == "billing_events" {
            let early = put_one(&account.netsuite, &said).await.unwrap_err();
            assert_eq!(early.class, Class::Unreachable, "{early}");
        }
        put_one(&account.netsuite, &invoice("M1", "40.00", &account.customer)).await.unwrap();
        account.fault("drop_after_write", kind);
        assert_eq!(put_one(&account.netsuite, &said).await.unwrap_err().class, Class::Unanswered);
        let found = find(&account.netsuite, &said).await.unwrap();
        assert_eq!(found.says.amount.unwrap().to_string(), "40", "{kind}");
        let records = account.records(kind);
        assert_eq!((records.len(), records[0].decimal(field).normalize().to_string()), (1, "40".into()), "{kind}");
        assert!(records[0].to_string().contains("2026-03-03"), "{kind}");
        assert!(account.records("journalEntry").is_empty());
    }
}

#[tokio::test]
async fn a_billing_schedule_says_what_is_billed_by_milestone() {
    for (whose, kind, stream) in [("orders", "salesOrder", "orders"), ("projects", "job", "projects")] {
        let account = Account::with(json!({ "billing_schedules": whose })).await;
        let simulator = &account.desk.simulators.netsuite;
        let milestone = |id: &str, share: u32| json!({ "comments": id, "milestoneAmount": share });
        let schedule = json!({ "name": "SOW-1", "scheduleType": { "id": "4" },
            "milestone": { "items": [milestone("M1", 40), milestone("M2", 60)] } });
        let schedule = simulator.put_record("schedule", "billingSchedule", "", fields(schedule)).unwrap();
        let body = match kind {
            "job" => json!({ "companyName": "SOW-1", "parent": { "id": account.customer }, "currency": { "id": "1" },
                "billingSchedule": { "id": schedule }, "jobPrice": "1000.00", "custentity_milestoned_contract": "SOW-1" }),
            _ => json!({ "entity": { "id": account.customer }, "tranDate": "2026-03-02",
                "billingSchedule": { "id": schedule }, "custbody_milestoned_contract": "SOW-1",
                "item": { "items": [{ "item": { "id": "5" }, "amount": "1000.00" }] } }),
        };
        simulator.put_record("holder", kind, "", fields(body)).unwrap();
        let (records, _) = pull(&account.netsuite, stream, &Cursor::default()).await;
        let Content::Order(seen) = &records[0].content else { panic!("{records:?}") };
        assert_eq!(seen.contract.as_deref(), Some("SOW-1"));
        let ids: Vec<&str> = seen.milestones.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["M1", "M2"], "{whose}");
        let shares: Vec<String> = seen.milestones.iter().map(|one| one.amount.unwrap().to_string()).collect();
        assert_eq!(shares, ["400", "600"], "{whose}");
    }
}

#[tokio::test]
async fn a_credit_memo_is_applied_to_its_invoice() {
    let account = Account::start().await;
    let invoice = put_one(&account.netsuite, &invoice("M1", "100.00", &account.customer)).await.unwrap().remote_id;
    put_one(&account.netsuite, &credit_memo("M1", "30.00", &account.customer, &invoice)).await.unwrap();
    let record = account.desk.simulators.netsuite.record("invoice", &invoice).unwrap();
    assert_eq!(record.decimal("amountRemaining").normalize().to_string(), "70");
}

#[tokio::test]
async fn a_check_names_what_the_account_lacks() {
    let account = Account::with(json!({ "item": "6", "terms": { "net 30": "1" }, "revenue": "billing_events",
        "line_prefix": "custcol_other_", "limits": { "in_flight": 40 } }))
    .await;
    account.desk.simulators.netsuite.set_advanced_revenue(false);
    account.desk.simulators.netsuite.deny("deny", "creditMemo").unwrap();
    let problems = account.netsuite.probe().await;
    let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
    for place in ["item", "terms.\"net 30\"", "orders", "revenue", "revenue_event_type", "role", "limits.in_flight"] {
        assert!(places.contains(&place), "{place}: {problems:#?}");
    }
    assert!(Account::start().await.netsuite.probe().await.is_empty());
}
