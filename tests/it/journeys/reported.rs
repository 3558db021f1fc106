//! What users of other connectors have reported, played here: `docs/findings.md` names the reports.

use milestoned_tests::{ADMIN, VIEWER, World, fields};
use serde_json::{Value, json};

use super::drift::{billed, closes, open, opens};
use super::input::signed;
use crate::lessons::erp::{customer, find, put_one};
use crate::lessons::quickbooks::Company;

async fn shown(world: &World, path: &str) -> Value {
    world.call("GET", path, VIEWER, None).await.unwrap().1
}

#[tokio::test]
async fn a_file_with_a_byte_order_mark_is_a_file() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    let path = world.contracts.join("SOW-1.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
    let toml = "id = \"SOW-2\"\ncustomer = \"Northwind Ltd\"\ncurrency = \"USD\"\ntotal = \"10.00\"\n\
                signed_on = 2026-03-02\n[milestoned]\nerp = \"netsuite\"\n[[milestones]]\nid = \"M1\"\n\
                name = \"Design\"\namount = \"10.00\"\n";
    std::fs::write(world.contracts.join("SOW-2.toml"), format!("\u{feff}{toml}")).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.app.env.store.contract_count().await.unwrap(), 2, "{:?}", world.waiting().await.unwrap());
}

#[tokio::test]
async fn an_issue_that_moves_between_projects_that_are_read_stays_the_milestone_it_was() {
    let both = ("projects = [\"MS\"]".to_owned(), "projects = [\"MS\", \"OPS\"]".to_owned());
    let world = World::configured("2026-03-02T09:00:00Z", vec![both]).await.unwrap();
    let jira = &world.simulators.jira;
    jira.set_project("project", "OPS", "live").unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    jira.move_issue("move", &issue.id, "OPS").unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-11T15:00:00Z").unwrap();
    jira.move_issue("back", &issue.id, "MS").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-12T15:00:00Z").unwrap();
    world.settle().await.unwrap();
    let invoices = world.held("netsuite").into_iter().filter(|(number, _)| number == "SOW-1-M1").count();
    assert_eq!((invoices, open(&world).await), (1, Vec::new()));
    let status = jira.property(&issue.id, "milestoned.billing").unwrap();
    assert_eq!(status.text("invoice"), "SOW-1-M1", "{status:?}");
}

#[tokio::test]
async fn a_project_that_is_archived_after_billing_leaves_what_was_accepted_and_billed() {
    let world = billed("netsuite").await;
    let before = world.held("netsuite");
    world.simulators.jira.set_project("archive", "MS", "archived").unwrap();
    for time in ["2026-03-13T15:00:00Z", "2026-03-14T16:00:00Z"] {
        world.at(time).unwrap();
        world.settle().await.unwrap();
    }
    // Searches do not find its issues any more, and each is still there when it is asked for.
    assert_eq!((open(&world).await, world.held("netsuite")), (Vec::new(), before));
}

#[tokio::test]
async fn a_field_that_is_deleted_in_the_crm_stops_the_crm_alone_and_is_named() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    let org = &world.simulators.salesforce;
    org.hide_field("Opportunity", "Payment_Terms__c", true).unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert!(world.held("quickbooks").iter().any(|(number, _)| number == "SOW-1-M1"), "the others go on");
    let waits = world.waiting().await.unwrap();
    assert!(waits.iter().any(|item| item.problem.reason.contains("Payment_Terms__c")), "{waits:?}");
    org.hide_field("Opportunity", "Payment_Terms__c", false).unwrap();
    world.at("2026-03-11T15:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.waiting().await.unwrap().is_empty(), "{:?}", world.waiting().await.unwrap());
}

#[tokio::test]
async fn a_payment_in_another_currency_than_the_contract_counts_for_nothing_and_is_told() {
    let world = billed("quickbooks").await;
    let company = &world.simulators.quickbooks;
    company.set_preference("multi", "MultiCurrencyEnabled", true).unwrap();
    let customer = json!({ "DisplayName": "Northwind Ltd (EUR)", "CurrencyRef": { "value": "EUR" } });
    let customer = company.put_record("customer", "Customer", fields(customer)).unwrap();
    let named = |id: &str, value: &str| json!({ "DefinitionId": id, "Type": "StringType", "StringValue": value });
    let line = json!({ "DetailType": "SalesItemLineDetail", "Amount": 500, "SalesItemLineDetail": {
        "ItemRef": { "value": "1" } } });
    let body = json!({ "CustomerRef": { "value": customer }, "DocNumber": "INV-E", "TxnDate": "2026-03-11", "Line": [line],
        "CurrencyRef": { "value": "EUR" }, "ExchangeRate": 1.1, "CustomField": [named("1", "SOW-1"), named("2", "M1")] });
    company.put_record("invoice", "Invoice", fields(body)).unwrap();
    company.pay("pay", "INV-E", "500", "2026-03-11").unwrap();
    world.settle().await.unwrap();
    let waits = world.waiting().await.unwrap();
    assert!(waits.iter().any(|item| item.problem.reason.contains("500 EUR on INV-E")), "{waits:?}");
    let contract = shown(&world, "/v1/contracts/SOW-1").await;
    assert_eq!(contract["milestones"][0]["status"], "invoiced", "{contract:#}");
    company.delete_record("back", "Payment", &company.records("Payment")[0].text("Id")).unwrap();
    world.settle().await.unwrap();
    assert!(world.waiting().await.unwrap().is_empty(), "{:?}", world.waiting().await.unwrap());
}

#[tokio::test]
async fn an_invoice_that_a_deposit_settles_is_told_as_paid_without_a_payment() {
    let world = billed("quickbooks").await;
    let company = &world.simulators.quickbooks;
    company.edit_invoice("deposit", "SOW-1-M1", fields(json!({ "Deposit": 40000, "Balance": 0 }))).unwrap();
    opens(&world, "PAID_WITHOUT_PAYMENT", "40000.00 USD of it is open here", "a deposit").await;
    company.edit_invoice("no deposit", "SOW-1-M1", fields(json!({ "Deposit": 0, "Balance": 40000 }))).unwrap();
    closes(&world, "PAID_WITHOUT_PAYMENT", "the deposit").await;
}

#[tokio::test]
async fn a_name_with_an_emoji_is_billed_and_what_the_erp_made_of_it_is_no_change() {
    for erp in ["netsuite", "quickbooks"] {
        let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
        let issue = world.contract("SOW-1", erp).unwrap();
        let path = world.contracts.join("SOW-1.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"Design\"", "\"R&D <launch> 🚀\"")).unwrap();
        world.settle().await.unwrap();
        world.at("2026-03-10T15:00:00Z").unwrap();
        world.accept(&issue).unwrap();
        for time in ["2026-03-10T16:00:00Z", "2026-03-11T16:00:00Z"] {
            world.settle().await.unwrap();
            world.at(time).unwrap();
        }
        world.settle().await.unwrap();
        assert_eq!((open(&world).await, world.waiting().await.unwrap().len()), (Vec::new(), 0), "{erp}");
        assert!(world.held(erp).iter().any(|(number, _)| number == "SOW-1-M1"), "{erp}");
    }
}

#[tokio::test]
async fn a_milestone_of_nothing_and_one_of_less_are_refused_or_billed_as_nothing_and_never_sent() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = |amount: &str, total: &str| {
        json!({ "id": "ZERO", "customer": "Northwind Ltd", "currency": "USD", "total": total, "signed_on": "2026-03-02",
            "milestones": [{ "id": "M1", "name": "Kick-off", "amount": amount, "timing": "advance" },
                { "id": "M2", "name": "Build", "amount": "10.00" }], "milestoned": { "erp": "netsuite" } })
    };
    let file = |terms: Value| world.call("PUT", "/v1/contracts/ZERO", ADMIN, Some(terms));
    let (status, refused) = file(terms("-5.00", "5.00")).await.unwrap();
    assert!(status == 422 && refused.to_string().contains("milestones[0].amount"), "{status} {refused}");
    let (status, answer) = file(terms("0.00", "10.00")).await.unwrap();
    world.settle().await.unwrap();
    let sent = world.held("netsuite").into_iter().filter(|(number, _)| number.starts_with("ZERO")).count();
    assert!(sent == 0 && (status == 422 || status < 300), "{status} {answer}");
}

#[tokio::test]
async fn a_customer_in_another_alphabet_is_created_once_and_found_again() {
    let company = Company::with(json!({})).await;
    for name in ["Πειραιώς ΑΕ", "ООО «Север»", "株式会社 北風 & Söhne's"] {
        let said = customer(name, "USD");
        let id = put_one(&company.quickbooks, &said).await.unwrap().remote_id;
        let found = find(&company.quickbooks, &said).await.unwrap();
        assert_eq!((found.receipt.remote_id, found.says.customer.as_deref()), (id, Some(name)));
    }
}

#[tokio::test]
async fn a_contract_or_milestone_that_differs_from_another_in_case_alone_is_refused_with_both_names() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = |id: &str, milestones: [&str; 2]| {
        let milestones = milestones.map(|id| json!({ "id": id, "name": "Design", "amount": "10.00" }));
        json!({ "id": id, "customer": "Northwind Ltd", "currency": "USD", "total": "20.00", "signed_on": "2026-03-02",
            "milestones": milestones, "milestoned": { "erp": "netsuite" } })
    };
    let file = async |id: &str, milestones: [&str; 2]| {
        let path = format!("/v1/contracts/{id}");
        let (status, said) = world.call("PUT", &path, ADMIN, Some(terms(id, milestones))).await.unwrap();
        (status, said.to_string())
    };
    assert!(file("Sow-7", ["M1", "M2"]).await.0 < 300);
    assert!(file("Sow-7", ["M1", "M2"]).await.0 < 300, "the same again is the same");
    for (id, milestones, words) in
        [("SOW-7", ["M1", "M2"], ["SOW-7", "Sow-7"]), ("SOW-8", ["M1", "m1"], ["milestones[1].id", "in case alone"])]
    {
        let (status, said) = file(id, milestones).await;
        assert!(status == 422 && words.iter().all(|word| said.contains(word)), "{id}: {status} {said}");
    }
    let add = json!([{ "id": "m2", "name": "More", "amount": "1.00" }]);
    let order = json!({ "amends": "Sow-7", "version": 2, "signed": true, "total": "21.00", "add": add });
    std::fs::write(world.contracts.join("co.json"), order.to_string()).unwrap();
    world.settle().await.unwrap();
    let waits = world.waiting().await.unwrap();
    assert!(waits.iter().any(|item| item.problem.reason.contains("add[0].id")), "{waits:?}");
}

/// A digest is due at this hour of New York.
async fn digests(schedule: &str, start: &str, times: &[&str]) -> usize {
    let changes = [("schedule = \"0 7 * * *\"", schedule), ("timezone = \"UTC\"", "timezone = \"America/New_York\"")];
    let changes = changes.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec();
    let world = World::configured(start, changes).await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    for time in times {
        world.settle().await.unwrap();
        world.at(time).unwrap();
    }
    world.settle().await.unwrap();
    let sent = world.simulators.mail.messages();
    sent.iter().filter(|one| one.to.iter().any(|to| to == "finance@vendor.example")).count()
}

#[tokio::test]
async fn a_digest_goes_out_once_on_the_night_whose_hour_is_missing_and_on_the_one_whose_hour_comes_twice() {
    // On 2026-03-08 there is no 02:30; on 2026-11-01 there are two of 01:30, at 05:30 and 06:30 UTC.
    let spring = ["2026-03-08T06:45:00Z", "2026-03-08T07:15:00Z", "2026-03-08T07:45:00Z", "2026-03-08T12:00:00Z"];
    assert_eq!(digests("schedule = \"30 2 * * *\"", "2026-03-07T12:00:00Z", &spring).await, 1);
    let autumn = ["2026-11-01T05:15:00Z", "2026-11-01T05:45:00Z", "2026-11-01T06:15:00Z", "2026-11-01T06:45:00Z"];
    assert_eq!(digests("schedule = \"30 1 * * *\"", "2026-10-31T12:00:00Z", &autumn).await, 1);
}

#[tokio::test]
async fn a_webhook_is_judged_by_the_bytes_that_came_and_not_by_what_they_say() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    // Whoever reads these and writes them anew gets others: an escape in capital letters, an emoji, blanks, a line's end.
    for (index, summary) in ["\\u001B", "🚀", "é", "e\u{301}"].iter().enumerate() {
        let issue = format!("{{ \"id\" : \"1\",\"fields\":{{\"summary\":\"{summary}\"}}}}");
        let body = format!("{{\"webhookEvent\":\"jira:issue_updated\",  \"timestamp\":{index},\"issue\":{issue}}}\n");
        let answer = reqwest::Client::new()
            .post(format!("{}/hooks/jira", world.url))
            .header("x-hub-signature", signed(&body))
            .header("x-atlassian-webhook-identifier", index)
            .body(body);
        assert_eq!(answer.send().await.unwrap().status(), 200, "{summary}");
    }
}

#[tokio::test]
async fn a_webhook_whose_bytes_are_no_text_is_refused_and_is_no_failure_of_the_server() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let body = b"{\"issue\":{\"id\":\"1\",\"key\":\"\xff\xfe\"}}".to_vec();
    let answer = reqwest::Client::new()
        .post(format!("{}/hooks/jira", world.url))
        .header("x-hub-signature", signed(&body))
        .body(body);
    assert_eq!(answer.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_customer_that_the_crm_calls_otherwise_after_billing_is_told_with_both_names_and_nothing_is_written() {
    let world = billed("netsuite").await;
    let before = world.held("netsuite");
    let org = &world.simulators.salesforce;
    let account =
        org.records("Account").into_iter().find(|one| one.text("Name") == "Northwind Ltd").unwrap().text("Id");
    let merged = |act: &str, name: &str| {
        org.put(&format!("{act} account"), "Account", &account, fields(json!({ "Name": name }))).unwrap();
        let deal = org.records("Opportunity")[0].text("Id");
        org.put(act, "Opportunity", &deal, fields(json!({ "Description": act }))).unwrap();
    };
    merged("merge", "Northwind Holding Ltd");
    world.at("2026-03-12T15:00:00Z").unwrap();
    opens(&world, "CUSTOMER_MISMATCH", "Northwind Holding Ltd", "the account").await;
    assert_eq!(world.held("netsuite"), before);
    world.at("2026-03-13T15:00:00Z").unwrap();
    merged("back", "Northwind Ltd");
    closes(&world, "CUSTOMER_MISMATCH", "the merge").await;
}
