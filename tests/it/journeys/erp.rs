//! What an ERP holds beside what was written to it: orders, entries of others, deletions.

use milestoned_tests::{ADMIN, VIEWER, World, fields};
use serde_json::{Value, json};

async fn world(erp: &str, orders: &str) -> World {
    let item = if erp == "netsuite" { "item = \"5\"" } else { "item = \"1\"" };
    let changes = vec![(item.to_owned(), format!("{item}\norders = \"{orders}\""))];
    let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    let issue = world.contract("SOW-1", erp).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world
}

/// Codes of the open exceptions.
async fn open(world: &World) -> Vec<String> {
    let (_, body) = world.call("GET", "/v1/exceptions?contract=SOW-1", VIEWER, None).await.unwrap();
    let code = |one: &Value| one["code"].as_str().unwrap_or_default().to_owned();
    body.as_array().unwrap_or(body["exceptions"].as_array().unwrap_or(&Vec::new())).iter().map(code).collect()
}

#[tokio::test]
async fn an_order_is_written_when_a_contract_is_filed_and_amended_and_its_invoices_come_from_it() {
    for erp in ["netsuite", "quickbooks"] {
        let world = world(erp, "write").await;
        let (simulators, kind) = (&world.simulators, if erp == "netsuite" { "salesOrder" } else { "Estimate" });
        let orders = || match erp {
            "netsuite" => simulators.netsuite.records(kind),
            _ => simulators.quickbooks.records(kind),
        };
        assert_eq!((orders().len(), world.held(erp).len()), (1, 1), "{erp}");
        let linked = match erp {
            "netsuite" => simulators.netsuite.records("invoice")[0].text("createdFrom.id") == orders()[0].text("id"),
            _ => {
                simulators.quickbooks.records("Invoice")[0].list("LinkedTxn")[0].text("TxnId") == orders()[0].text("Id")
            }
        };
        assert!(linked, "{erp}");
        let amendment = json!({ "amends": "SOW-1", "version": 2, "signed": true, "total": "50000.00",
            "add": [{ "id": "M2", "name": "Build", "amount": "10000.00" }] });
        std::fs::write(world.contracts.join("co.json"), amendment.to_string()).unwrap();
        world.deal("SOW-1", "50000.00").unwrap();
        world.settle().await.unwrap();
        world.at("2026-03-11T15:00:00Z").unwrap();
        world.settle().await.unwrap();
        let total = if erp == "netsuite" { "total" } else { "TotalAmt" };
        assert_eq!(
            orders().iter().map(|one| one.decimal(total).normalize().to_string()).collect::<Vec<_>>(),
            ["50000"]
        );
        assert!(!open(&world).await.iter().any(|code| code == "AMOUNT_MISMATCH" || code == "AMENDMENT_NOT_PROPAGATED"));
    }
}

#[tokio::test]
async fn our_own_entries_raise_nothing_and_those_of_others_do() {
    for erp in ["netsuite", "quickbooks"] {
        let world = world(erp, "read").await;
        for day in 11..14 {
            world.at(&format!("2026-03-{day}T15:00:00Z")).unwrap();
            world.settle().await.unwrap();
        }
        assert_eq!(open(&world).await, Vec::<String>::new(), "{erp}");
        match erp {
            "netsuite" => {
                let line = |account: &str, side: &str| json!({ "account": { "id": account }, side: "15.00" });
                let body = json!({ "tranId": "JE-1", "tranDate": "2026-03-03", "custbody_milestoned_contract": "SOW-1",
                    "custbody_milestoned_milestone": "M1", "line": { "items": [line("122", "debit"), line("123", "credit")] } });
                world.simulators.netsuite.put_record("entry", "journalEntry", "", fields(body)).unwrap();
            }
            _ => {
                let line = |account: &str, side: &str| {
                    json!({ "DetailType": "JournalEntryLineDetail", "Amount": "15.00",
                    "JournalEntryLineDetail": { "PostingType": side, "AccountRef": { "value": account } } })
                };
                let body = json!({ "DocNumber": "JE-1", "TxnDate": "2026-03-03", "PrivateNote": "Contract SOW-1, milestone M1",
                    "Line": [line("23", "Debit"), line("79", "Credit")] });
                world.simulators.quickbooks.put_record("entry", "JournalEntry", fields(body)).unwrap();
            }
        }
        world.settle().await.unwrap();
        let codes = open(&world).await;
        for code in ["RECOGNISED_EARLY", "DEFERRED_VARIANCE"] {
            assert!(codes.iter().any(|one| one == code), "{erp} {code}: {codes:?}");
        }
    }
}

#[tokio::test]
async fn a_document_of_ours_that_is_deleted_there_is_noticed_and_a_deleted_payment_is_taken_back() {
    for erp in ["netsuite", "quickbooks"] {
        let world = world(erp, "read").await;
        world.at("2026-03-11T15:00:00Z").unwrap();
        world.settle().await.unwrap();
        let payment = match erp {
            "netsuite" => world.simulators.netsuite.pay("pay", "SOW-1-M1", "40000.00", "2026-03-11").unwrap(),
            _ => world.simulators.quickbooks.pay("pay", "SOW-1-M1", "40000.00", "2026-03-11").unwrap(),
        };
        world.settle().await.unwrap();
        world.at("2026-03-12T15:00:00Z").unwrap();
        let invoice = world.call("GET", "/v1/contracts/SOW-1", ADMIN, None).await.unwrap().1.to_string();
        assert!(invoice.contains("paid"), "{erp}: {invoice}");
        match erp {
            "netsuite" => {
                let id = world.simulators.netsuite.records("invoice")[0].text("id");
                world.simulators.netsuite.delete_record("p", "customerPayment", &payment).unwrap();
                world.simulators.netsuite.delete_record("i", "invoice", &id).unwrap();
            }
            _ => {
                let id = world.simulators.quickbooks.records("Invoice")[0].text("Id");
                world.simulators.quickbooks.delete_record("p", "Payment", &payment).unwrap();
                world.simulators.quickbooks.delete_record("i", "Invoice", &id).unwrap();
            }
        }
        world.settle().await.unwrap();
        let (_, contract) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
        let (status, position) = (&contract["report"]["milestones"][0]["status"], &contract["report"]["position"]);
        assert_eq!((status, &position["cash"]), (&json!("invoiced"), &json!("0.00")), "{erp}");
        let waits = world.waiting().await.unwrap();
        assert!(waits.is_empty(), "{erp}: nothing of it waits for a person: {waits:?}");
        assert!(open(&world).await.iter().any(|code| code == "DEFERRED_VARIANCE"), "{erp}: the invoice is missed");
        assert!(world.held(erp).iter().all(|(number, _)| number != "SOW-1-M1"), "{erp}: it is not written again");
    }
}

#[tokio::test]
async fn a_payment_that_is_changed_after_it_was_taken_counts_as_it_is_now() {
    let world = world("quickbooks", "read").await;
    world.at("2026-03-11T15:00:00Z").unwrap();
    world.settle().await.unwrap();
    let cash = async |world: &World| {
        world.settle().await.unwrap();
        let (_, contract) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
        contract["report"]["position"]["cash"].as_str().unwrap_or_default().to_owned()
    };
    let payment = world.simulators.quickbooks.pay("pay", "SOW-1-M1", "40000.00", "2026-03-11").unwrap();
    assert_eq!(cash(&world).await, "40000.00");
    for (act, day, amount) in [("less", 12, "30000.00"), ("more", 13, "35000.00")] {
        world.at(&format!("2026-03-{day}T15:00:00Z")).unwrap();
        let invoice = world.simulators.quickbooks.records("Invoice")[0].text("Id");
        let line = json!({ "Amount": amount, "LinkedTxn": [{ "TxnId": invoice, "TxnType": "Invoice" }] });
        let body = json!({ "Id": payment, "TotalAmt": amount, "Line": [line] });
        world.simulators.quickbooks.put_record(act, "Payment", fields(body)).unwrap();
        assert_eq!(cash(&world).await, amount);
    }
    world.at("2026-03-14T15:00:00Z").unwrap();
    world.simulators.quickbooks.delete_record("gone", "Payment", &payment).unwrap();
    assert_eq!((cash(&world).await, world.waiting().await.unwrap().len()), ("0.00".to_owned(), 0));
}

/// Where the one document stands, what of the contract is in the ERP, and which of its deliveries are not posted.
async fn posted(world: &World) -> (String, String, Vec<String>) {
    let (_, said) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    let waits = said["deliveries"].as_array().unwrap().iter().filter(|one| one["unposted"] == true);
    let waits = waits.map(|one| one["kind"].as_str().unwrap().to_owned()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&said["documents"][0]["standing"]), text(&said["summary"]["in_erp"]), waits)
}

#[tokio::test]
async fn what_waits_for_an_approval_in_the_erp_is_sent_and_not_posted_and_nobody_is_told_invoiced_until_it_is_posted() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let netsuite = &world.simulators.netsuite;
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    netsuite.set_approval_routing(true);
    let told = || world.simulators.jira.property(&issue.id, "milestoned.billing").map(|shown| shown.text("status"));
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    for time in ["2026-03-10T16:00:00Z", "2026-03-11T15:00:00Z", "2026-03-11T16:00:00Z"] {
        world.settle().await.unwrap();
        world.at(time).unwrap();
    }
    world.settle().await.unwrap();
    let waits = vec!["invoice".to_owned(), "journal_entry".to_owned()];
    assert_eq!(posted(&world).await, ("unposted".into(), "0.00".into(), waits));
    assert_eq!(told(), None, "the project tool is told nothing before it is posted");
    let (_, said) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    assert_eq!(said["milestones"][0]["state"], "invoice sent, not posted");
    assert_eq!((open(&world).await, world.waiting().await.unwrap().len()), (Vec::new(), 0), "nothing differs");
    let approve = |kind: &str| {
        let external = netsuite.records(kind)[0].text("externalId");
        let approved = fields(json!({ "approvalStatus": { "id": "2" } }));
        netsuite.put_record(&format!("approve {kind}"), kind, &external, approved).unwrap();
    };
    world.at("2026-03-12T15:00:00Z").unwrap();
    approve("invoice");
    world.settle().await.unwrap();
    assert_eq!(posted(&world).await, ("confirmed".into(), "40000.00".into(), vec!["journal_entry".into()]));
    assert_eq!(told().as_deref(), Some("invoiced"));
    world.at("2026-03-13T15:00:00Z").unwrap();
    approve("journalEntry");
    world.settle().await.unwrap();
    assert_eq!(posted(&world).await, ("confirmed".into(), "40000.00".into(), Vec::new()));
    assert_eq!(open(&world).await, Vec::<String>::new());
}
