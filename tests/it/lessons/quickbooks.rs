//! QuickBooks.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use milestoned_connector_kit::conformance::Conditions;
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{Class, Cursor, Hook, Platform, Probe, Sink, Source, WebhookRequest};
use milestoned_mapping::record::{Content, InvoiceStatus, SourceRecord};
use milestoned_mapping::statement::Statement;
use milestoned_mocks::{FaultSpec, Json};
use milestoned_quickbooks::QuickBooks;
use serde_json::{Value, json};
use sha2::Sha256;

use super::erp::{credit_memo, customer, find, invoice, order, ordered, pull, put, put_one, receipt, release};
use crate::conformance::{Desk, Kept, accounts, fields};

pub(crate) struct Company {
    pub(crate) desk: Desk,
    pub(crate) quickbooks: QuickBooks,
    pub(crate) store: Arc<Kept>,
    pub(crate) customer: String,
}

impl Company {
    async fn start() -> Self {
        Self::with(json!({})).await
    }

    /// A connection with these settings beside the usual ones.
    pub(crate) async fn with(changes: Value) -> Self {
        let desk = Desk::open("quickbooks").await;
        let simulator = &desk.simulators.quickbooks;
        simulator.set_limits(usize::MAX, usize::MAX);
        let store = Arc::new(Kept::default());
        let quickbooks = connect(&desk, &store, changes);
        let customer =
            simulator.put_record("nw", "Customer", fields(json!({ "DisplayName": "Northwind Ltd" }))).unwrap();
        Self { desk, quickbooks, store, customer }
    }

    fn fault(&self, name: &str, path: &str) {
        self.desk.simulators.faults.inject("quickbooks", FaultSpec::new(name).on("POST", path)).unwrap();
    }

    pub(crate) fn put(&self, act: &str, entity: &str, body: Value) -> String {
        self.desk.simulators.quickbooks.put_record(act, entity, fields(body)).unwrap()
    }

    /// An invoice that somebody else wrote.
    fn by_hand(&self, number: &str, changes: Value) -> String {
        let mut body = json!({ "CustomerRef": { "value": self.customer }, "DocNumber": number, "TxnDate": "2026-03-02",
            "Line": [line("10.25", "1")] });
        for (name, value) in fields(changes) {
            body[name] = value;
        }
        self.put(number, "Invoice", body)
    }

    pub(crate) fn records(&self, entity: &str) -> Vec<Json> {
        self.desk.simulators.quickbooks.records(entity)
    }

    pub(crate) fn reads(&self) -> u64 {
        let requests = self.desk.simulators.faults.requests("quickbooks");
        requests.iter().filter(|(name, _)| name.starts_with("GET")).map(|(_, count)| count).sum()
    }

    fn calls(&self) -> u64 {
        self.desk.simulators.faults.requests("quickbooks").values().sum()
    }

    fn later(&self, minutes: i64) {
        self.desk.advance(SignedDuration::from_mins(minutes));
    }

    pub(crate) async fn read(&self, from: &Cursor) -> (Vec<SourceRecord>, Cursor) {
        pull(&self.quickbooks, "documents", from).await
    }
}

fn line(amount: &str, item: &str) -> Value {
    json!({ "DetailType": "SalesItemLineDetail", "Amount": amount, "SalesItemLineDetail": { "ItemRef": { "value": item } } })
}

fn connect(desk: &Desk, store: &Arc<Kept>, changes: Value) -> QuickBooks {
    connect_on(desk, desk.clock.clone().into(), store, changes)
}

/// A connection that runs on something else than the network.
pub(crate) fn connect_on(desk: &Desk, platform: Platform, store: &Arc<Kept>, changes: Value) -> QuickBooks {
    let url = desk.simulators.url("quickbooks");
    let mut settings = fields(json!({
        "base_url": url, "token_url": format!("{url}/oauth2/v1/tokens/bearer"),
        "realm": desk.simulators.quickbooks.realm(), "client_id": "cid", "client_secret": "csecret",
        "refresh_token": "rt-smoke-1", "verifier_token": "vtok", "item": "1",
        "accounts": accounts(["85", "86", "23", "79"]), "terms": { "net 30": "3" }, "limits": { "windows": [] },
    }));
    settings.extend(fields(changes));
    let settings = serde_json::from_value(Value::Object(settings)).unwrap();
    QuickBooks::build("quickbooks", settings, platform, store.clone()).unwrap()
}

/// What a webhook with this body says, signed by the verifier.
fn told(quickbooks: &QuickBooks, body: &str) -> milestoned_connector_kit::Delivery {
    use base64::Engine as _;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"vtok").unwrap();
    mac.update(body.as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let mut headers = http::HeaderMap::new();
    headers.insert("intuit-signature", signature.parse().unwrap());
    let request = WebhookRequest { secret: None, headers: &headers, body: body.as_bytes() };
    quickbooks.verify(&request).unwrap().remove(0)
}

fn event(id: &str, kind: &str, realm: &str) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "intuit.x", "type": kind, "time": "2026-03-02T09:00:00.123456789Z",
        "intuitentityid": "101", "intuitaccountid": realm, "data": {} })
}

#[tokio::test]
async fn a_number_that_our_own_document_holds_is_looked_up_and_adopted() {
    let company = Company::start().await;
    let said = invoice("M1", "40000.00", &company.customer);
    put_one(&company.quickbooks, &said).await.unwrap();
    // The process died before it could keep the id; a request id that nobody remembers any more.
    let again = (milestoned_mapping::command::DeliveryKey::of(&["forgotten"]), said.1.clone(), said.2.clone());
    let fault = put_one(&company.quickbooks, &again).await.unwrap_err();
    assert!(fault.class == Class::Unanswered && fault.detail.contains("TxnId"), "{fault}");
    assert_eq!(find(&company.quickbooks, &said).await.unwrap().says.number.as_deref(), Some("SOW-1-M1"));
    assert_eq!(company.records("Invoice").len(), 1);
}

#[tokio::test]
async fn a_batch_without_an_answer_is_looked_up_before_it_is_sent_again() {
    let company = Company::start().await;
    let said: Vec<_> = (1..=3).map(|n| invoice(&format!("M{n}"), "10.25", &company.customer)).collect();
    company.fault("drop_after_write", "/batch");
    let outcomes = put(&company.quickbooks, &said).await;
    assert!(outcomes.iter().all(|one| one.as_ref().is_err_and(|fault| fault.class == Class::Unanswered)));
    for one in &said {
        assert!(find(&company.quickbooks, one).await.is_some());
    }
}

#[tokio::test]
async fn a_request_keeps_its_id_when_the_token_is_renewed() {
    let company = Company::start().await;
    company.fault("expire_token", "/invoice");
    let said = invoice("M1", "40000.00", &company.customer);
    let first = put_one(&company.quickbooks, &said).await.unwrap();
    company.fault("drop_after_write", "/invoice");
    let second = put_one(&company.quickbooks, &invoice("M2", "1.00", &company.customer)).await;
    assert!(second.is_err());
    // The first answer again, and no second write.
    assert_eq!(put_one(&company.quickbooks, &said).await.unwrap().remote_id, first.remote_id);
    assert_eq!(company.records("Invoice").len(), 2);
}

#[tokio::test]
async fn a_thousand_invoices_cost_thirty_four_batches_and_one_read() {
    let company = Company::start().await;
    company.read(&Cursor::default()).await;
    let before = company.calls();
    let said: Vec<_> = (1..=1000).map(|n| invoice(&format!("M{n}"), "10.25", &company.customer)).collect();
    for chunk in said.chunks(company.quickbooks.lane(&said[0].1).most) {
        assert!(put(&company.quickbooks, chunk).await.iter().all(Result::is_ok));
    }
    assert_eq!((company.calls() - before, company.records("Invoice").len()), (35, 1000));
}

#[tokio::test]
async fn an_item_of_a_batch_has_its_own_outcome() {
    let company = Company::start().await;
    let said = [
        invoice("M1", "1.00", &company.customer),
        invoice("M2", "1.00", "9999"),
        invoice("M3", "1.00", &company.customer),
    ];
    let outcomes = put(&company.quickbooks, &said).await;
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(outcomes[1].clone().is_err_and(|fault| fault.class == Class::Refused && fault.detail.contains("2500")));
}

#[tokio::test]
async fn a_throttle_after_the_write_is_looked_up_and_not_repeated() {
    let company = Company::start().await;
    let said = release(3, "40.00", &company.customer);
    company.fault("throttle_after_write", "/journalentry");
    assert_eq!(put_one(&company.quickbooks, &said).await.unwrap_err().class, Class::Unanswered);
    assert!(find(&company.quickbooks, &said).await.is_some());
    assert_eq!(company.records("JournalEntry").len(), 1);
}

#[tokio::test]
async fn an_invoice_is_never_mailed_by_us() {
    let company = Company::start().await;
    put_one(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.unwrap();
    assert_ne!(company.records("Invoice")[0].text("EmailStatus"), "EmailSent");
    assert!(company.desk.simulators.faults.requests("quickbooks").keys().all(|name| !name.contains("send")));
}

#[tokio::test]
async fn custom_fields_that_are_dropped_are_noticed_and_the_newer_ones_are_kept() {
    let own = json!({ "contract_field": "1000000001", "milestone_field": "1000000002" });
    for (settings, kept) in [(json!({}), false), (own, true)] {
        let company = Company::with(settings).await;
        company.desk.simulators.quickbooks.set_enhanced_fields(&["1000000001", "1000000002"]);
        let said = invoice("M1", "40.00", &company.customer);
        let outcome = put_one(&company.quickbooks, &said).await;
        let found = find(&company.quickbooks, &said).await.unwrap();
        let differences = found.says.differences(&Statement::of_command(&said.1));
        if kept {
            outcome.unwrap();
            assert_eq!(differences, Vec::<String>::new());
        } else {
            let fault = outcome.unwrap_err();
            assert!(
                fault.class == Class::Unanswered && fault.detail.contains("dropped the custom fields 1, 2"),
                "{fault}"
            );
            assert_eq!(
                differences,
                ["it belongs to contract none, milestone none, not to contract SOW-1, milestone M1"]
            );
        }
    }
}

#[tokio::test]
async fn a_customer_may_have_a_long_name() {
    let company = Company::start().await;
    let name = "N".repeat(300);
    put_one(&company.quickbooks, &customer(&name, "USD")).await.unwrap();
}

#[tokio::test]
async fn an_estimate_is_written_once_and_amended_by_our_own_fields() {
    let company = Company::with(json!({ "orders": "write" })).await;
    let first = order(1, &[("M1", "100.00"), ("M2", "50.00")], &company.customer);
    let id = put_one(&company.quickbooks, &first).await.unwrap().remote_id;
    company.put("memo", "Estimate", json!({ "Id": id, "CustomerMemo": { "value": "by hand" } }));
    let second = order(2, &[("M1", "120.00"), ("M2", "50.00")], &company.customer);
    assert_eq!(put_one(&company.quickbooks, &second).await.unwrap().remote_id, id);
    let estimate = &company.records("Estimate")[0];
    assert_eq!(
        (estimate.text("CustomerMemo.value").as_str(), estimate.decimal("TotalAmt").normalize().to_string().as_str()),
        ("by hand", "170")
    );
    let mut said = ordered("M1", (1, 2), "120.00", &company.customer);
    let unlinked = put_one(&company.quickbooks, &said).await.unwrap_err();
    assert!(unlinked.class == Class::Refused && unlinked.detail.contains("the order is not known"), "{unlinked}");
    said.2.order = receipt(&id);
    let receipt = put_one(&company.quickbooks, &said).await.unwrap();
    let invoice = company.desk.simulators.quickbooks.record("Invoice", &receipt.remote_id).unwrap();
    assert_eq!(invoice.list("LinkedTxn")[0].text("TxnId"), id);
    let (records, _) = company.read(&Cursor::default()).await;
    let seen = records.iter().find_map(|one| match &one.content {
        Content::Order(seen) => Some((seen.version, seen.milestones.len(), seen.contract.clone())),
        _ => None,
    });
    assert_eq!(seen, Some((Some(2), 2, Some("SOW-1".into()))));
}

#[tokio::test]
async fn an_estimate_that_changed_meanwhile_is_read_again() {
    let company = Company::with(json!({ "orders": "write" })).await;
    put_one(&company.quickbooks, &order(1, &[("M1", "100.00")], &company.customer)).await.unwrap();
    let other = connect(&company.desk, &company.store, json!({ "orders": "write" }));
    let (second, third) =
        (order(2, &[("M1", "90.00")], &company.customer), order(3, &[("M1", "80.00")], &company.customer));
    // Both read the same token; whoever writes later finds it stale.
    let (one, two) = tokio::join!(put_one(&company.quickbooks, &second), put_one(&other, &third));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(company.records("Estimate")[0].text("SyncToken"), "2");
}

#[tokio::test]
async fn what_an_accountant_deleted_is_gone_and_not_written_again() {
    let company = Company::start().await;
    let said = invoice("M1", "40000.00", &company.customer);
    let receipt = put_one(&company.quickbooks, &said).await.unwrap();
    let (_, cursor) = company.read(&Cursor::default()).await;
    company.later(5);
    company.desk.simulators.quickbooks.delete_record("delete", "Invoice", &receipt.remote_id).unwrap();
    let (records, _) = company.read(&cursor).await;
    assert!(records.iter().any(|one| one.id == receipt.remote_id && one.content == Content::Gone));
    // The request id brings the first answer again: the document does not come back.
    put_one(&company.quickbooks, &said).await.unwrap();
    assert!(company.records("Invoice").is_empty());
}

#[tokio::test]
async fn a_line_has_its_tax_code_where_the_country_wants_one() {
    let company = Company::with(json!({ "tax_code": "TAX" })).await;
    put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap();
    let written = &company.records("Invoice")[0];
    assert_eq!(written.list("Line")[0].text("SalesItemLineDetail.TaxCodeRef.value"), "TAX");
}

#[tokio::test]
async fn a_foreign_document_without_a_rate_is_refused_and_with_one_carries_it() {
    let company = Company::start().await;
    let kronor =
        company.put("sek", "Customer", json!({ "DisplayName": "Krona AB", "CurrencyRef": { "value": "SEK" } }));
    let mut said = invoice("M1", "1.00", &kronor);
    let milestoned_mapping::command::Command::Invoice(document) = &mut said.1 else { panic!() };
    document.amount = "SEK".parse::<milestoned_mapping::money::Currency>().unwrap().parse("100.00").unwrap();
    let fault = put_one(&company.quickbooks, &said).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("exchange_rates.SEK"), "{fault}");
    let rated = connect(&company.desk, &company.store, json!({ "exchange_rates": { "SEK": "0.0925" } }));
    put_one(&rated, &said).await.unwrap();
    let written = &company.records("Invoice")[0];
    assert_eq!((written.text("ExchangeRate"), written.text("CurrencyRef.value")), ("0.0925".into(), "SEK".into()));
}

#[tokio::test]
async fn a_customer_of_another_currency_is_told_by_what_it_says() {
    let company = Company::start().await;
    company.put("eur", "Customer", json!({ "DisplayName": "Euro GmbH", "CurrencyRef": { "value": "EUR" } }));
    let found = find(&company.quickbooks, &customer("Euro GmbH", "USD")).await.unwrap();
    assert_eq!(found.says.currency.as_deref(), Some("EUR"));
}

#[tokio::test]
async fn a_name_that_a_vendor_bears_is_for_a_person() {
    let company = Company::start().await;
    company.put("vendor", "Vendor", json!({ "DisplayName": "Contoso" }));
    assert!(find(&company.quickbooks, &customer("Contoso", "USD")).await.is_none());
    let fault = put_one(&company.quickbooks, &customer("Contoso", "USD")).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("a vendor"), "{fault}");
}

#[tokio::test]
async fn a_voided_invoice_is_void_whatever_its_amount() {
    let company = Company::start().await;
    put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap();
    company.desk.simulators.quickbooks.void_invoice("void", "SOW-1-M1").unwrap();
    let (records, _) = company.read(&Cursor::default()).await;
    let Content::Invoice(seen) = &records[0].content else { panic!("{records:?}") };
    assert_eq!((seen.status, seen.deferred.unwrap().to_string().as_str()), (InvoiceStatus::Void, "0"));
}

#[tokio::test]
async fn a_payment_is_read_from_the_payment_and_says_what_it_pays_now() {
    let company = Company::start().await;
    let ids = [company.by_hand("INV-1", json!({})), company.by_hand("INV-2", json!({}))];
    let applied = |id: &String| json!({ "Amount": "10.25", "LinkedTxn": [{ "TxnId": id, "TxnType": "Invoice" }] });
    let body = json!({ "CustomerRef": { "value": company.customer }, "TotalAmt": "20.50", "TxnDate": "2026-03-02",
        "Line": ids.iter().map(applied).collect::<Vec<_>>() });
    let payment = company.put("pay", "Payment", body);
    let (records, _) = company.read(&Cursor::default()).await;
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
async fn a_credit_memo_is_applied_to_its_invoice_and_is_no_money() {
    let company = Company::start().await;
    let invoice = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap().remote_id;
    put_one(&company.quickbooks, &credit_memo("M1", "30.00", &company.customer, &invoice)).await.unwrap();
    let balance = company.desk.simulators.quickbooks.record("Invoice", &invoice).unwrap().decimal("Balance");
    assert_eq!(balance.normalize().to_string(), "70");
    let (records, _) = company.read(&Cursor::default()).await;
    assert!(records.iter().all(|one| !matches!(one.content, Content::Payment(_))), "{records:?}");
}

/// What payments have paid of our invoices, as they are read.
async fn paid(company: &Company) -> Vec<String> {
    let (records, _) = company.read(&Cursor::default()).await;
    let seen = |one: &SourceRecord| match &one.content {
        Content::Payment(paid) => Some(format!("{} {}", paid.invoice, paid.amount)),
        _ => None,
    };
    records.iter().filter_map(seen).collect()
}

#[tokio::test]
async fn a_payment_with_two_lines_of_one_invoice_pays_both() {
    let company = Company::start().await;
    let invoice = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap().remote_id;
    let line = |amount: &str| json!({ "Amount": amount, "LinkedTxn": [{ "TxnId": invoice, "TxnType": "Invoice" }] });
    let payment = json!({ "CustomerRef": { "value": company.customer }, "TotalAmt": "75.00", "TxnDate": "2026-03-05",
        "Line": [line("40.00"), line("30.00")] });
    company.put("twice", "Payment", payment);
    assert_eq!(paid(&company).await, ["SOW-1-M1 70"]);
}

#[tokio::test]
async fn an_invoice_that_is_written_off_by_an_entry_is_not_paid() {
    let company = Company::start().await;
    let invoice = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap().remote_id;
    let detail = |side: &str, account: &str| {
        json!({ "DetailType": "JournalEntryLineDetail", "Amount": "60.00", "JournalEntryLineDetail": {
            "PostingType": side, "AccountRef": { "value": account },
            "Entity": { "Type": "Customer", "EntityRef": { "value": company.customer } } } })
    };
    let entry = json!({ "TxnDate": "2026-03-05", "Line": [detail("Debit", "81"), detail("Credit", "84")] });
    let entry = company.put("bad debt", "JournalEntry", entry);
    let line = |id: &str, kind: &str, amount: &str| json!({ "Amount": amount, "LinkedTxn": [{ "TxnId": id, "TxnType": kind }] });
    let applied = json!({ "CustomerRef": { "value": company.customer }, "TotalAmt": "40.00", "TxnDate": "2026-03-05",
        "Line": [line(&invoice, "Invoice", "100.00"), line(&entry, "JournalEntry", "60.00")] });
    company.put("applied", "Payment", applied);
    assert_eq!(paid(&company).await, ["SOW-1-M1 40"], "what came as money");
}

#[tokio::test]
async fn something_that_is_inactive_is_told_with_what_it_may_be() {
    let company = Company::start().await;
    company.put("inactive", "Item", json!({ "Id": "1", "Active": false }));
    let fault = put_one(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("the customer, the item or an account"), "{fault}");
}

#[tokio::test]
async fn an_interrupted_credit_is_finished_by_its_look_up() {
    let company = Company::start().await;
    let invoice = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap().remote_id;
    let said = credit_memo("M1", "30.00", &company.customer, &invoice);
    company.fault("drop_before_write", "/payment");
    assert_eq!(put_one(&company.quickbooks, &said).await.unwrap_err().class, Class::Unanswered);
    assert!(find(&company.quickbooks, &said).await.is_some());
    let balance = company.desk.simulators.quickbooks.record("Invoice", &invoice).unwrap().decimal("Balance");
    assert_eq!((balance.normalize().to_string().as_str(), company.records("CreditMemo").len()), ("70", 1));
}

#[tokio::test]
async fn closed_books_are_for_a_person_and_the_date_stays() {
    let company = Company::start().await;
    company.desk.simulators.quickbooks.close_period("close", "2026-03-31").unwrap();
    let said = invoice("M1", "1.00", &company.customer);
    let fault = put_one(&company.quickbooks, &said).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("reopen them"), "{fault}");
    assert!(company.records("Invoice").is_empty());
    company.desk.simulators.quickbooks.close_period("open", "").unwrap();
    put_one(&company.quickbooks, &said).await.unwrap();
    assert_eq!(company.records("Invoice")[0].text("TxnDate"), "2026-03-02");
}

#[tokio::test]
async fn documents_that_quickbooks_would_number_itself_are_refused() {
    let company = Company::start().await;
    company.desk.simulators.quickbooks.set_preference("numbers", "CustomTxnNumbers", false).unwrap();
    let fault = put_one(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("custom transaction numbers"), "{fault}");
    assert!(company.records("Invoice").is_empty());
}

#[tokio::test]
async fn revenue_is_not_recognised_twice_where_quickbooks_does_it_too() {
    let company = Company::start().await;
    company.desk.simulators.quickbooks.set_preference("own", "RevenueRecognition", true).unwrap();
    let fault = put_one(&company.quickbooks, &release(3, "1.00", &company.customer)).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("other_items"), "{fault}");
    put_one(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.unwrap();
    let elsewhere = connect(&company.desk, &company.store, json!({ "own_recognition": "other_items" }));
    put_one(&elsewhere, &release(3, "1.00", &company.customer)).await.unwrap();
}

#[tokio::test]
async fn a_rotated_refresh_token_survives_and_two_at_once_refresh_once() {
    let company = Company::start().await;
    let cursor = Cursor::default();
    let (one, other) =
        tokio::join!(company.quickbooks.pull("documents", &cursor), company.quickbooks.pull("documents", &cursor));
    assert!(one.is_ok() && other.is_ok());
    let requests = company.desk.simulators.faults.requests("quickbooks");
    let refreshes: u64 = requests.iter().filter(|(name, _)| name.contains("bearer")).map(|(_, count)| count).sum();
    assert_eq!(refreshes, 1);
    // Another process, after the old value has died.
    company.later(26 * 60);
    connect(&company.desk, &company.store, json!({})).pull("documents", &cursor).await.unwrap();
}

#[tokio::test]
async fn a_lost_refresh_answer_is_asked_for_again() {
    let company = Company::start().await;
    company.fault("drop_before_write", "/tokens/bearer");
    company.quickbooks.pull("documents", &Cursor::default()).await.unwrap();
}

#[tokio::test]
async fn a_company_that_is_connected_again_signs_in_with_its_new_token() {
    let company = Company::start().await;
    company.quickbooks.pull("documents", &Cursor::default()).await.unwrap();
    company.store.save("quickbooks", "refresh_token", "revoked").await.unwrap();
    let other = connect(&company.desk, &company.store, json!({ "refresh_token": "rt-other" }));
    let fault = other.pull("documents", &Cursor::default()).await.unwrap_err();
    assert!(fault.class == Class::Unauthorised && fault.detail.contains("connect the company again"), "{fault}");
    let latest = format!("rt-smoke-{}", 2);
    let again = connect(&company.desk, &company.store, json!({ "refresh_token": latest }));
    again.pull("documents", &Cursor::default()).await.unwrap();
}

#[tokio::test]
async fn changes_that_are_too_old_or_too_many_are_read_by_query() {
    let company = Company::start().await;
    let (_, cursor) = company.read(&Cursor::default()).await;
    company.later(45 * 24 * 60);
    for number in 0..1100 {
        company.by_hand(&format!("INV-{number}"), json!({}));
    }
    let (records, cursor) = company.read(&cursor).await;
    let count = |records: &[SourceRecord]| {
        let ids: std::collections::BTreeSet<&str> = records.iter().map(|one| one.id.as_str()).collect();
        ids.len()
    };
    assert_eq!(count(&records), 1100, "older than change data capture looks back");
    let (records, _) = company.read(&cursor).await;
    assert_eq!(count(&records), 1100, "more than one answer holds");
}

#[tokio::test]
async fn a_deletion_beyond_the_changes_is_found_by_the_census() {
    let company = Company::start().await;
    let ids: Vec<String> = (0..3).map(|number| company.by_hand(&format!("INV-{number}"), json!({}))).collect();
    let payment = company.desk.simulators.quickbooks.pay("pay", "INV-0", "10.25", "2026-03-02").unwrap();
    company.desk.simulators.quickbooks.delete_record("delete", "Invoice", &ids[1]).unwrap();
    let (mut counted, mut cursor) = (Vec::new(), Cursor::default());
    while let Some(page) = company.quickbooks.census("documents", &cursor).await.unwrap() {
        counted.extend(page.ids);
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(counted, [ids[0].clone(), ids[2].clone(), format!("{payment}:{}", ids[0]), payment.clone()]);
    let gone = company.quickbooks.read("Invoice", &ids[1]).await.unwrap();
    assert!(gone.iter().all(|one| one.content == Content::Gone && one.id == ids[1]));
    let part = company.quickbooks.read("Payment", &format!("{payment}:{}", ids[2])).await.unwrap();
    assert!(part.iter().any(|one| one.content == Content::Gone && one.id.ends_with(&ids[2])));
}

#[tokio::test]
async fn an_empty_answer_has_no_entity_and_is_no_error() {
    let company = Company::start().await;
    assert!(company.read(&Cursor::default()).await.0.is_empty());
    assert!(find(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.is_none());
}

#[tokio::test]
async fn a_write_costs_no_read_and_the_months_reads_are_counted() {
    let company = Company::with(json!({ "reads_a_month": 8 })).await;
    put_one(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.unwrap();
    let before = company.reads();
    put_one(&company.quickbooks, &invoice("M2", "1.00", &company.customer)).await.unwrap();
    assert_eq!(company.reads(), before);
    let (_, cursor) = company.read(&Cursor::default()).await;
    while company.quickbooks.pull("documents", &cursor).await.is_ok() {}
    let fault = company.quickbooks.pull("documents", &cursor).await.unwrap_err();
    assert_eq!(fault.class, Class::Throttled { until: Some("2026-04-01T00:00:00Z".parse().unwrap()) });
    assert_eq!(company.reads(), 8);
    company.desk.simulators.clock.set("2026-04-01T00:00:01Z".parse().unwrap());
    company.quickbooks.pull("documents", &cursor).await.unwrap();
}

#[tokio::test]
async fn a_webhook_of_several_companies_says_one_thing_to_look_at() {
    let company = Company::start().await;
    let realm = company.desk.simulators.quickbooks.realm();
    let body = json!([
        event("1", "qbo.invoice.created.v1", &realm),
        event("2", "qbo.payment.created.v1", &realm),
        event("3", "qbo.invoice.created.v1", "another company"),
    ]);
    let delivery = told(&company.quickbooks, &body.to_string());
    assert_eq!(delivery.hints.len(), 1);
    let id = company.by_hand("INV-1", json!({}));
    let records = company.quickbooks.read(&delivery.hints[0].object, &delivery.hints[0].id).await.unwrap();
    assert!(records.iter().any(|one| one.id == id));
    let old = json!({ "eventNotifications": [
        { "realmId": "another company", "dataChangeEvent": { "entities": [{ "name": "Invoice", "id": "1", "operation": "Create", "lastUpdated": "2026-03-02T01:00:00-08:00" }] } },
        { "realmId": realm, "dataChangeEvent": { "entities": [{ "name": "Invoice", "id": "2", "operation": "Void", "lastUpdated": "2026-03-02T01:00:00-08:00" }] } },
    ] });
    assert_eq!(told(&company.quickbooks, &old.to_string()).hints[0].id, "2026-03-02T09:00:00Z");
}

#[tokio::test]
async fn a_signed_webhook_is_taken_whatever_it_says() {
    let company = Company::start().await;
    let realm = company.desk.simulators.quickbooks.realm();
    for body in [
        json!([event("1", "qbo.spaceship.launched.v9", &realm)]).to_string(),
        json!([{ "type": "qbo" }]).to_string(),
        json!({ "eventNotifications": [{ "realmId": realm }] }).to_string(),
        json!({ "eventNotifications": [{ "realmId": realm, "dataChangeEvent": { "entities": [{ "name": "Account" }] } }] }).to_string(),
    ] {
        assert!(told(&company.quickbooks, &body).hints.is_empty(), "{body}");
    }
    assert_eq!(told(&company.quickbooks, "<xml/>").hints.len(), 1, "something has changed");
}

#[tokio::test]
async fn an_event_that_comes_again_is_the_same_delivery() {
    let company = Company::start().await;
    let realm = company.desk.simulators.quickbooks.realm();
    let (one, other) = (event("1", "qbo.invoice.created.v1", &realm), event("2", "qbo.invoice.updated.v1", &realm));
    let id = |events: Value| told(&company.quickbooks, &events.to_string()).id;
    assert_eq!(id(json!([one, other])), id(json!([other, one])));
    assert_ne!(id(json!([one])), id(json!([other])));
}

#[tokio::test]
async fn changes_are_swept_where_a_webhook_was_lost() {
    let company = Company::start().await;
    let (_, cursor) = company.read(&Cursor::default()).await;
    company.later(15);
    company.by_hand("INV-1", json!({}));
    assert_eq!(company.read(&cursor).await.0.len(), 1);
}

#[tokio::test]
async fn a_foreign_entry_names_contract_and_milestone_in_words() {
    let company = Company::start().await;
    put_one(&company.quickbooks, &release(3, "40.00", &company.customer)).await.unwrap();
    let side = |account: &str, side: &str| {
        json!({ "DetailType": "JournalEntryLineDetail", "Amount": "15.00",
        "JournalEntryLineDetail": { "PostingType": side, "AccountRef": { "value": account } } })
    };
    company.put(
        "entry",
        "JournalEntry",
        json!({ "DocNumber": "JE-1", "TxnDate": "2026-03-04",
        "PrivateNote": "Contract SOW-1, milestone M2", "Line": [side("23", "Debit"), side("79", "Credit")] }),
    );
    let (records, _) = company.read(&Cursor::default()).await;
    let told: Vec<(Option<String>, String, usize)> = records
        .iter()
        .filter_map(|one| match &one.content {
            Content::Journal(seen) => {
                Some((seen.contract.clone(), seen.deferred.unwrap().to_string(), seen.recognised.len()))
            }
            _ => None,
        })
        .collect();
    let contract = Some("SOW-1".to_owned());
    assert_eq!(told, [(contract.clone(), "-40".into(), 0), (contract, "-15".into(), 1)]);
}

#[tokio::test]
async fn every_answer_names_its_tid_good_or_bad() {
    let company = Company::start().await;
    let receipt = put_one(&company.quickbooks, &invoice("M1", "1.00", &company.customer)).await.unwrap();
    assert!(receipt.request_id.is_some_and(|tid| tid.starts_with("1-")));
    let fault = put_one(&company.quickbooks, &invoice("M2", "1.00", "9999")).await.unwrap_err();
    assert!(fault.to_string().contains("request id 1-"), "{fault}");
}

#[tokio::test]
async fn a_check_names_what_the_company_lacks() {
    let company = Company::with(json!({ "item": "2", "terms": { "net 30": "99" }, "verifier_token": null,
        "exchange_rates": { "EUR": "about one" } }))
    .await;
    company.desk.simulators.quickbooks.set_preference("own", "RevenueRecognition", true).unwrap();
    company.desk.simulators.quickbooks.set_preference("numbers", "CustomTxnNumbers", false).unwrap();
    let problems = company.quickbooks.probe().await;
    let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
    for place in [
        "item",
        "terms.\"net 30\"",
        "verifier_token",
        "exchange_rates.EUR",
        "own_recognition",
        "custom transaction numbers",
    ] {
        assert!(places.contains(&place), "{place}: {problems:#?}");
    }
    assert!(Company::start().await.quickbooks.probe().await.is_empty());
}

#[tokio::test]
async fn a_credit_memo_that_is_larger_than_what_is_left_to_pay_is_written_and_applied_as_far_as_it_goes() {
    let company = Company::start().await;
    let billed = put_one(&company.quickbooks, &invoice("M1", "100.00", &company.customer)).await.unwrap().remote_id;
    company.desk.simulators.quickbooks.pay("pay", "SOW-1-M1", "80.00", "2026-03-03").unwrap();
    let said = credit_memo("M1", "30.00", &company.customer, &billed);
    put_one(&company.quickbooks, &said).await.unwrap();
    assert!(find(&company.quickbooks, &said).await.is_some());
    let left = company.records("Invoice")[0].decimal("Balance");
    assert!(left.is_zero(), "{left} is left of the invoice");
}
