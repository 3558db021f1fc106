//! From acceptance to invoice and revenue.

use milestoned_tests::{ADMIN, VIEWER, World};
use serde_json::json;

async fn billed(erp: &str) -> World {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", erp).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world
}

#[tokio::test]
async fn an_acceptance_becomes_an_invoice_in_either_erp_and_revenue_when_the_day_is_over() {
    for erp in ["netsuite", "quickbooks"] {
        let world = billed(erp).await;
        assert_eq!(world.held(erp), [("SOW-1-M1".to_owned(), "40000.00".to_owned())], "{erp}");
        world.at("2026-03-11T00:00:01Z").unwrap();
        world.settle().await.unwrap();
        let held = world.held(erp);
        assert_eq!(held.len(), 2, "{erp}: {held:?}");
        assert_eq!(held[1].0, "SOW-1-20260310J", "{erp}");
    }
}

#[tokio::test]
async fn billing_status_shows_on_the_issue_and_on_the_deal() {
    let world = billed("netsuite").await;
    let issue = world.simulators.jira.issues().first().unwrap().text("id");
    let property = world.simulators.jira.property(&issue, "milestoned.billing").unwrap();
    assert_eq!((property.text("status"), property.text("invoice")), ("invoiced".into(), "SOW-1-M1".into()));
    assert_eq!(world.simulators.jira.links(&issue).len(), 1);
    let shown = world.simulators.salesforce.find("Milestone__c", "External_Id__c", "SOW-1-M1").unwrap();
    assert_eq!(shown.text("Status__c"), "invoiced");
}

#[tokio::test]
async fn a_payment_is_read_back() {
    let world = billed("quickbooks").await;
    world.simulators.quickbooks.pay("p", "SOW-1-M1", "40000.00", "2026-03-20").unwrap();
    world.at("2026-03-20T10:00:00Z").unwrap();
    world.settle().await.unwrap();
    let (_, contract) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    assert_eq!(contract["report"]["milestones"][0]["status"], "paid");
    assert_eq!(contract["report"]["position"]["cash"], "40000.00");
}

#[tokio::test]
async fn a_deal_of_another_amount_holds_the_invoice_until_it_is_corrected() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert!(world.held("netsuite").is_empty());
    let (_, open) = world.call("GET", "/v1/exceptions", VIEWER, None).await.unwrap();
    assert_eq!(
        (&open[0]["code"], &open[0]["leg"], &open[0]["held"]),
        (&json!("AMOUNT_MISMATCH"), &json!("crm"), &json!("40000.00"))
    );
    world.at("2026-03-04T09:00:00Z").unwrap();
    world.deal("SOW-1", "40000.00").unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite").len(), 2, "invoice, and the revenue of the day that is over");
}

#[tokio::test]
async fn what_is_known_when_a_contract_is_filed_holds_an_acceptance_of_an_earlier_day() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    let (file, terms) =
        (world.contracts.join("SOW-1.json"), std::fs::read(world.contracts.join("SOW-1.json")).unwrap());
    std::fs::remove_file(&file).unwrap();
    world.deal("SOW-1", "45000.00").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-12T09:00:00Z").unwrap();
    std::fs::write(&file, terms).unwrap();
    world.settle().await.unwrap();
    assert!(world.held("netsuite").is_empty(), "the deal is known to be of another amount");
    world.deal("SOW-1", "40000.00").unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), [("SOW-1-M1".to_owned(), "40000.00".to_owned())]);
}

#[tokio::test]
async fn silence_is_no_acceptance_while_nobody_can_listen() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = json!({
        "customer": "Northwind Ltd", "currency": "USD", "total": "100.00", "signed_on": "2026-03-02",
        "acceptance": { "deemed": true, "window_days": 2 }, "milestoned": { "erp": "netsuite" },
        "milestones": [{ "id": "M1", "name": "Design", "amount": "100.00" }],
    });
    assert_eq!(world.call("PUT", "/v1/contracts/DA-1", ADMIN, Some(terms)).await.unwrap().0, 201);
    let submitted = json!({ "type": "submitted", "milestone": "M1", "by": "pm@vendor.example" });
    assert_eq!(world.call("POST", "/v1/contracts/DA-1/facts", ADMIN, Some(submitted)).await.unwrap().0, 202);
    world.settle().await.unwrap();
    // The window ends on Wednesday, and Jira is down from then on.
    world.simulators.faults.inject("jira", milestoned_mocks::FaultSpec::new("refuse").times(10_000)).unwrap();
    world.at("2026-03-09T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.held("netsuite").is_empty(), "accepted by silence that nobody heard");
    world.simulators.faults.clear().unwrap();
    world.at("2026-03-09T09:05:00Z").unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite").first().map(|one| one.0.as_str()), Some("DA-1-M1"));
}

#[tokio::test]
async fn the_plan_names_every_write_with_its_key_and_makes_none() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.accept(&issue).unwrap();
    world.app.env.store.poll_now().await.unwrap();
    world.app.scan().await.unwrap();
    for (system, entry) in world.app.env.registry.iter() {
        world.app.poll(system, entry).await.unwrap();
    }
    world.app.read_records().await.unwrap();
    let (_, plan) = world.call("GET", "/v1/plan", VIEWER, None).await.unwrap();
    let kinds: Vec<&str> = plan.as_array().unwrap().iter().map(|write| write["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"customer") && kinds.contains(&"invoice"), "{plan}");
    assert!(plan.as_array().unwrap().iter().all(|write| write["key"].as_str().unwrap().len() == 32));
    assert!(world.held("netsuite").is_empty());
}

#[tokio::test]
async fn token_based_authentication_signs_what_netsuite_verifies() {
    let tba =
        r#"auth = { flow = "tba", consumer_key = "ck", consumer_secret = "cs", token_id = "ti", token_secret = "ts" }"#;
    for (line, held) in [(tba.to_owned(), 1), (tba.replace("\"ts\"", "\"other\""), 0)] {
        let changes = vec![("auth = { flow = \"oauth2\"".to_owned(), line.clone())];
        let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
        let issue = world.contract("SOW-1", "netsuite").unwrap();
        world.accept(&issue).unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.held("netsuite").len(), held, "{line}");
    }
}

/// Certinia PSA beside the CRM, in the same org.
const CERTINIA: &str = concat!(
    "[connections.certinia]\nkind = \"salesforce\"\nfield_map = '",
    env!("CARGO_MANIFEST_DIR"),
    r#"/../config/fieldmaps/certinia.toml'
base_url = "{salesforce}"
object = "pse__Milestone__c"
lag = "0s"
limits = { windows = [] }
auth = { flow = "client_credentials", client_id = "CONSUMER_KEY", client_secret = "CONSUMER_SECRET" }
[connections.certinia.status]
object = "pse__Milestone__c"
fields = { billed = "pse__Billed__c", invoiced = "pse__Invoiced__c", invoice = "pse__Invoice_Number__c", invoiced_on = "pse__Invoice_Date__c" }
[connections.jira]"#
);

#[tokio::test]
async fn a_milestone_of_certinia_is_accepted_with_its_file_invoiced_and_shows_its_invoice() {
    let world =
        World::configured("2026-03-02T09:00:00Z", vec![("[connections.jira]".into(), CERTINIA.into())]).await.unwrap();
    let org = &world.simulators.salesforce;
    let put = |object: &str, key: &str, record: serde_json::Value| {
        org.put(&format!("{object} {record}"), object, key, milestoned_tests::fields(record)).unwrap()
    };
    let terms = json!({ "id": "SOW-1", "customer": "Northwind Ltd", "currency": "USD", "total": "40000.00",
        "signed_on": "2026-03-02", "milestones": [{ "id": "M1", "name": "Design", "amount": "40000.00" }],
        "milestoned": { "erp": "netsuite" } });
    std::fs::write(world.contracts.join("SOW-1.json"), terms.to_string()).unwrap();
    world.deal("SOW-1", "40000.00").unwrap();
    org.define_field("pse__Milestone__c", "Milestone_Id__c:string").unwrap();
    let (deal, account) = (org.record("Opportunity", "SOW-1").unwrap(), org.record("Account", "northwind").unwrap());
    let project = put(
        "pse__Proj__c",
        "p",
        json!({ "Name": "Roll-out", "pse__Opportunity__c": deal.text("Id"), "pse__Account__c": account.text("Id") }),
    );
    let milestone = put(
        "pse__Milestone__c",
        "m",
        json!({ "Name": "Design", "Milestone_Id__c": "M1", "pse__Project__c": project,
            "pse__Milestone_Amount__c": "40000.00", "pse__Target_Date__c": "2026-03-01" }),
    );
    world.settle().await.unwrap();
    assert!(world.held("netsuite").is_empty());
    let signed = json!({ "PathOnClient": "Signed.pdf", "VersionData": "signed", "FirstPublishLocationId": milestone });
    put("ContentVersion", "", signed);
    world.at("2026-03-10T15:00:00Z").unwrap();
    put("pse__Milestone__c", "m", json!({ "pse__Approved__c": true, "pse__Include_In_Financials__c": true }));
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), [("SOW-1-M1".to_owned(), "40000.00".to_owned())]);
    let shown = org.record("pse__Milestone__c", &milestone).unwrap();
    let said = ["pse__Billed__c", "pse__Invoiced__c", "pse__Invoice_Number__c", "pse__Invoice_Date__c"];
    assert_eq!(said.map(|field| shown.text(field)), ["true", "true", "SOW-1-M1", "2026-03-10"]);
}

#[tokio::test]
async fn a_company_that_numbers_itself_shows_its_number_beside_ours() {
    let own = ("kind = \"quickbooks\"".to_owned(), "kind = \"quickbooks\"\nnumbers = \"sequence\"".to_owned());
    let world = World::configured("2026-03-02T09:00:00Z", vec![own]).await.unwrap();
    world.simulators.quickbooks.set_preference("own", "CustomTxnNumbers", false).unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-02T10:00:00Z").unwrap();
    world.settle().await.unwrap();
    let theirs = world.simulators.quickbooks.records("Invoice")[0].text("DocNumber");
    assert_ne!(theirs, "SOW-1-M1");
    let (_, shown) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    let document = &shown["documents"][0];
    assert_eq!([&document["number"], &document["remote_number"]], ["SOW-1-M1", theirs.as_str()]);
    assert_eq!(document["standing"], "confirmed", "it is known when it is read back: {shown:#}");
    assert!(shown["exceptions"].as_array().unwrap().iter().all(|one| one["code"] != "DOCUMENT_CHANGED"), "{shown:#}");
}
