//! What people write in the ERP by hand: credit memos, write-offs, invoices and entries that name no contract, customers that are
//! renamed. Each is told with its values and its record, changes nothing, and closes when it is explained.

use milestoned_tests::{ADMIN, World, fields};
use serde_json::{Value, json};

use super::drift::{billed, closes, open, opens, sold};

const ERPS: [&str; 2] = ["netsuite", "quickbooks"];

/// Id of the first customer.
fn customer(world: &World, erp: &str) -> String {
    match erp {
        "netsuite" => world.simulators.netsuite.records("customer")[0].text("id"),
        _ => world.simulators.quickbooks.records("Customer")[0].text("Id"),
    }
}

/// Id of an invoice.
fn invoice(world: &World, erp: &str) -> String {
    match erp {
        "netsuite" => world.simulators.netsuite.records("invoice")[0].text("id"),
        _ => world.simulators.quickbooks.records("Invoice")[0].text("Id"),
    }
}

/// Somebody writes a record by hand; gives its id.
fn write(world: &World, erp: &str, kind: &str, mut body: Value) -> String {
    let act = body.to_string();
    let customer = customer(world, erp);
    if erp == "netsuite" {
        body["currency"] = json!({ "id": "1" });
        if kind != "journalEntry" {
            body["entity"] = json!({ "id": customer });
        }
        world.simulators.netsuite.put_record(&act, kind, "", fields(body)).unwrap()
    } else {
        if kind != "JournalEntry" {
            body["CustomerRef"] = json!({ "value": customer });
        }
        world.simulators.quickbooks.put_record(&act, kind, fields(body)).unwrap()
    }
}

/// A sale of one line, of an item that posts to deferred revenue.
fn sale(erp: &str, number: &str, amount: &str) -> Value {
    let mut body = sold(erp, amount, "Workshop");
    let [of_number, of_date] = if erp == "netsuite" { ["tranId", "tranDate"] } else { ["DocNumber", "TxnDate"] };
    body[of_number] = number.into();
    body[of_date] = "2026-03-11".into();
    body
}

/// An entry that debits one account and credits another, with the customer on both lines.
fn entry(world: &World, erp: &str, number: &str, [debit, credit]: [&str; 2], amount: &str) -> Value {
    let customer = customer(world, erp);
    let line = |account: &str, side: &str| match erp {
        "netsuite" => {
            json!({ "account": { "id": account }, side.to_lowercase(): amount, "entity": { "id": customer } })
        }
        _ => json!({ "DetailType": "JournalEntryLineDetail", "Amount": amount, "JournalEntryLineDetail": {
            "PostingType": side, "AccountRef": { "value": account },
            "Entity": { "Type": "Customer", "EntityRef": { "value": customer } } } }),
    };
    let lines = [line(debit, "Debit"), line(credit, "Credit")];
    match erp {
        "netsuite" => json!({ "tranId": number, "tranDate": "2026-03-11", "line": { "items": lines } }),
        _ => json!({ "DocNumber": number, "TxnDate": "2026-03-11", "Line": lines }),
    }
}

fn delete(world: &World, erp: &str, kind: &str, id: &str) {
    match erp {
        "netsuite" => world.simulators.netsuite.delete_record(kind, kind, id).unwrap(),
        _ => world.simulators.quickbooks.delete_record(kind, kind, id).unwrap(),
    }
}

/// What the ERP holds of ours, and what is decided: neither is touched by what is told.
async fn decided(world: &World, erp: &str) -> (Vec<(String, String)>, String) {
    let (_, shown) = world.call("GET", "/v1/contracts/SOW-1", ADMIN, None).await.unwrap();
    let held = world.held(erp).into_iter().filter(|(number, _)| number.starts_with("SOW-1-"));
    (held.collect(), format!("{} {}", shown["documents"], shown["position"]))
}

/// The payment of nothing by which QuickBooks applies a credit to an invoice.
fn apply(world: &World, kind: &str, id: &str, amount: &str) -> String {
    let line = |id: &str, kind: &str| json!({ "Amount": amount, "LinkedTxn": [{ "TxnId": id, "TxnType": kind }] });
    let invoice = invoice(world, "quickbooks");
    let body = json!({ "TotalAmt": 0, "TxnDate": "2026-03-11", "Line": [line(&invoice, "Invoice"), line(id, kind)] });
    write(world, "quickbooks", "Payment", body)
}

#[tokio::test]
async fn a_credit_memo_by_hand_on_our_invoice_is_told_with_its_amount_until_it_is_gone() {
    for erp in ERPS {
        let world = billed(erp).await;
        let before = decided(&world, erp).await;
        let kind = if erp == "netsuite" { "creditMemo" } else { "CreditMemo" };
        let mut body = sale(erp, "CM-77", "5000.00");
        if erp == "netsuite" {
            let doc = json!({ "id": invoice(&world, erp) });
            body["apply"] = json!({ "items": [{ "doc": doc, "apply": true, "amount": 5000 }] });
        }
        let memo = write(&world, erp, kind, body);
        let payment = (erp == "quickbooks").then(|| apply(&world, kind, &memo, "5000.00"));
        opens(&world, "CREDITED_BY_HAND", "5000 USD off SOW-1-M1", erp).await;
        let told = open(&world).await;
        assert_eq!(told.len(), 1, "{erp}: one thing is told once: {told:#?}");
        assert!(told[0].1.contains("CM-77") && told[0].1.contains(erp), "number and record: {told:#?}");
        assert_eq!(decided(&world, erp).await, before, "{erp}: nothing follows from it");
        if let Some(payment) = payment {
            delete(&world, erp, "Payment", &payment);
        }
        delete(&world, erp, kind, &memo);
        closes(&world, "CREDITED_BY_HAND", erp).await;
        assert_eq!(open(&world).await, [], "{erp}");
    }
}

#[tokio::test]
async fn an_invoice_that_is_written_off_is_told_and_is_not_paid() {
    for erp in ERPS {
        let world = billed(erp).await;
        let before = decided(&world, erp).await;
        // Bad debt to receivables.
        match erp {
            "netsuite" => {
                let body = entry(&world, erp, "JE-9", ["126", "119"], "40000.00");
                let written = write(&world, erp, "journalEntry", body);
                world.simulators.netsuite.apply_entry("apply", &written, "SOW-1-M1", "40000.00").unwrap();
            }
            _ => {
                let body = entry(&world, erp, "JE-9", ["81", "84"], "40000.00");
                let written = write(&world, erp, "JournalEntry", body);
                apply(&world, "JournalEntry", &written, "40000.00");
            }
        }
        opens(&world, "WRITTEN_OFF", "40000 USD off SOW-1-M1", erp).await;
        let told = open(&world).await;
        assert!(told.len() == 1 && told[0].1.contains("JE-9"), "{erp}: {told:#?}");
        assert_eq!(decided(&world, erp).await, before, "{erp}: it is no payment");
    }
}

#[tokio::test]
async fn an_invoice_of_the_customer_that_names_no_contract_is_told_until_it_names_one_or_is_void() {
    for erp in ERPS {
        let world = billed(erp).await;
        let kind = if erp == "netsuite" { "invoice" } else { "Invoice" };
        let id = write(&world, erp, kind, sale(erp, "INV-5", "7000.00"));
        opens(&world, "DOCUMENT_UNASSIGNED", "invoice INV-5 of 2026-03-11", erp).await;
        let told = open(&world).await;
        assert!(told[0].1.contains("to deferred revenue 7000"), "{erp}: {told:#?}");
        // Other business of the same customer is nobody's concern here.
        let mut other = sale(erp, "INV-6", "100.00");
        match erp {
            "netsuite" => {
                let item = json!({ "itemId": "Licences", "incomeAccount": { "id": "125" } });
                let item = world.simulators.netsuite.put_record("item", "serviceSaleItem", "x", fields(item)).unwrap();
                other["item"]["items"][0]["item"]["id"] = item.into();
            }
            _ => {
                let line = &mut other["Line"][0]["SalesItemLineDetail"];
                line["ItemAccountRef"] = json!({ "value": "82" });
            }
        }
        write(&world, erp, kind, other);
        world.settle().await.unwrap();
        assert_eq!(open(&world).await.len(), 1, "{erp}");
        match erp {
            "netsuite" => world.simulators.netsuite.void_invoice("void", "INV-5").unwrap(),
            _ => world.simulators.quickbooks.void_invoice("void", "INV-5").unwrap(),
        }
        closes(&world, "DOCUMENT_UNASSIGNED", erp).await;
        assert!(!id.is_empty());
    }
}

#[tokio::test]
async fn an_entry_by_hand_on_our_accounts_is_told_where_it_names_the_customer() {
    for (erp, accounts, kind) in
        [("netsuite", ["122", "126"], "journalEntry"), ("quickbooks", ["23", "81"], "JournalEntry")]
    {
        let world = billed(erp).await;
        let before = decided(&world, erp).await;
        let id = write(&world, erp, kind, entry(&world, erp, "JE-4", accounts, "300.00"));
        opens(&world, "ENTRY_UNASSIGNED", "posts debit deferred_revenue 300", erp).await;
        assert_eq!(decided(&world, erp).await, before, "{erp}");
        delete(&world, erp, kind, &id);
        closes(&world, "ENTRY_UNASSIGNED", erp).await;
    }
}

#[tokio::test]
async fn a_customer_that_is_renamed_or_gone_in_the_erp_is_told_until_it_is_settled() {
    for erp in ERPS {
        let world = billed(erp).await;
        let id = customer(&world, erp);
        let rename = |act: &str, change: Value| match erp {
            "netsuite" => {
                let external = world.simulators.netsuite.records("customer")[0].text("externalId");
                world.simulators.netsuite.put_record(act, "customer", &external, fields(change)).unwrap()
            }
            _ => {
                let mut change = change;
                change["Id"] = id.clone().into();
                world.simulators.quickbooks.put_record(act, "Customer", fields(change)).unwrap()
            }
        };
        let [name, active, no] = match erp {
            "netsuite" => ["companyName", "isInactive", "true"],
            _ => ["DisplayName", "Active", "false"],
        };
        world.at("2026-03-12T15:00:00Z").unwrap();
        world.settle().await.unwrap();
        rename("rename", json!({ name: "Northwind Holding Ltd" }));
        world.at("2026-03-13T16:00:00Z").unwrap();
        opens(&world, "CUSTOMER_RENAMED", &format!("record {id} of {erp} is called"), erp).await;
        let told = open(&world).await;
        assert!(told.iter().any(|(_, said)| said.contains("Northwind Holding Ltd")), "{erp}: {told:#?}");
        rename("back", json!({ name: "Northwind Ltd" }));
        world.at("2026-03-14T17:00:00Z").unwrap();
        closes(&world, "CUSTOMER_RENAMED", erp).await;
        rename("gone", json!({ active: no == "true" }));
        world.at("2026-03-15T18:00:00Z").unwrap();
        opens(&world, "CUSTOMER_RENAMED", "is not there any more, or inactive", erp).await;
    }
}
