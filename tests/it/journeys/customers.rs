//! Customers between the agreements and the ERP: what the CRM knows of them, those that are called alike, invoices that reach them.

use milestoned_tests::{ADMIN, REVIEWER, VIEWER, World, fields};
use serde_json::{Value, json};

/// A contract with QuickBooks, of which the first invoice waits for its customer: another one is called alike there.
async fn alike(changes: Vec<(String, String)>) -> (World, String) {
    let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    let other = json!({ "DisplayName": "Northwind, Limited" });
    let id = world.simulators.quickbooks.put_record("alike", "Customer", fields(other)).unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    let known = json!({ "Name": "Northwind Ltd", "BillingStreet": "1 Main Street", "BillingCity": "Springfield",
        "BillingCountry": "US" });
    world.simulators.salesforce.put("address", "Account", "northwind", fields(known)).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    (world, id)
}

/// Customers of QuickBooks' invoices.
fn billed(world: &World) -> Vec<String> {
    world.simulators.quickbooks.records("Invoice").iter().map(|one| one.text("CustomerRef.value")).collect()
}

async fn choose(world: &World, token: &str, remote_id: &str) -> (u16, Value) {
    let body = json!({ "remote_id": remote_id, "reason": "asked Dana" });
    world.call("PUT", "/v1/customers/quickbooks/Northwind%20Ltd", token, Some(body)).await.unwrap()
}

#[tokio::test]
async fn a_person_chooses_between_customers_that_are_called_alike_and_the_invoice_goes_on() {
    let (world, id) = alike(Vec::new()).await;
    assert_eq!(billed(&world), [] as [String; 0]);
    let waits = world.waiting().await.unwrap();
    assert!(waits[0].problem.reason.contains("Northwind, Limited"), "{waits:?}");
    let (_, listed) = world.call("GET", "/v1/customers", VIEWER, None).await.unwrap();
    let known = json!([{ "id": id, "name": "Northwind, Limited" }]);
    assert_eq!((&listed[0]["how"], &listed[0]["alike"]), (&json!("undecided"), &known));
    let (_, page) = world.call("GET", "/customers/Northwind%20Ltd", REVIEWER, None).await.unwrap();
    assert!(page.as_str().unwrap().contains("Northwind, Limited"), "{page}");
    assert_eq!(choose(&world, VIEWER, &id).await.0, 403);
    assert_eq!(choose(&world, ADMIN, "4711").await.0, 409, "QuickBooks has no such customer");
    assert_eq!(billed(&world), [] as [String; 0]);
    assert_eq!(choose(&world, ADMIN, &id).await.0, 202);
    world.settle().await.unwrap();
    assert_eq!((billed(&world), world.waiting().await.unwrap().len()), (vec![id.clone()], 0));
    let (_, audit) = world.call("GET", "/v1/audit", ADMIN, None).await.unwrap();
    assert!(audit.to_string().contains("customer chosen"), "{audit}");
    world.settle().await.unwrap();
    let (_, contract) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    assert!(
        !contract["exceptions"].to_string().contains("DOCUMENT_CHANGED"),
        "it is read back under our name: {contract}"
    );
}

#[tokio::test]
async fn one_that_is_none_of_those_is_created_with_what_the_crm_knows_and_another_may_be_named_later() {
    let (world, id) = alike(Vec::new()).await;
    assert_eq!(choose(&world, ADMIN, "new").await.0, 202);
    world.settle().await.unwrap();
    let customers = world.simulators.quickbooks.records("Customer");
    let ours = customers.iter().find(|one| one.text("DisplayName") == "Northwind Ltd").unwrap();
    let address = ["BillAddr.Line1", "BillAddr.City", "BillAddr.Country"].map(|field| ours.text(field));
    assert_eq!(
        (billed(&world), address),
        (vec![ours.text("Id")], ["1 Main Street", "Springfield", "US"].map(Into::into))
    );
    assert_eq!(choose(&world, ADMIN, &id).await.0, 202);
    let issue = world.contract("SOW-2", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-11T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(billed(&world), [ours.text("Id"), id]);
}

#[tokio::test]
async fn above_the_amount_for_two_people_a_record_is_named_by_two_and_nothing_goes_there_before() {
    let rules = "http.public_url = \"https://milestoned.example\"\napprovals.second_over = \"30000.00\"";
    let (world, id) = alike(vec![("http.public_url".to_owned(), rules.to_owned())]).await;
    let act = async |verb: &str| {
        let act = json!({ "subject": "customer:quickbooks:Northwind Ltd", "act": verb, "reason": "seen" });
        world.call("POST", "/v1/acts", REVIEWER, Some(act)).await.unwrap()
    };
    let (status, said) = choose(&world, ADMIN, "new").await;
    assert!(status == 202 && said.to_string().contains("above 30,000.00 USD two people are needed"), "{said}");
    assert_eq!(act("close").await.0, 202);
    assert_eq!((act("close").await.0, act("approve").await.0), (404, 404), "nothing waits any more");
    assert_eq!((choose(&world, ADMIN, "new").await.0, choose(&world, ADMIN, &id).await.0), (202, 202));
    let (status, said) = choose(&world, ADMIN, &id).await;
    assert!(status == 403 && said.to_string().contains("two people are needed"), "{said}");
    world.settle().await.unwrap();
    assert_eq!(billed(&world), [] as [String; 0]);
    let (_, queue) = world.call("GET", "/v1/queue?kind=customer", VIEWER, None).await.unwrap();
    let reason = queue[0]["problem"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&format!("ada says that it is record {id}")), "{queue}");
    let (_, page) = world.call("GET", "/customers/Northwind%20Ltd", VIEWER, None).await.unwrap();
    assert!(page.as_str().unwrap().contains("another person has to say the same"), "{page}");
    let (status, said) = act("approve").await;
    assert!(status == 202 && said.to_string().contains("what waited for it goes on"), "{said}");
    world.settle().await.unwrap();
    assert_eq!(
        (billed(&world), world.call("GET", "/v1/queue?kind=customer", VIEWER, None).await.unwrap().1),
        (vec![id], json!([]))
    );
}

#[tokio::test]
async fn an_invoice_is_mailed_once_by_the_erp_where_that_is_switched_on() {
    let on = vec![("item = \"1\"".to_owned(), "item = \"1\"\nemail_invoices = true".to_owned())];
    let mut world = World::configured("2026-03-02T09:00:00Z", on).await.unwrap();
    let known = json!({ "DisplayName": "Northwind Ltd", "PrimaryEmailAddr": { "Address": "ap@northwind.example" } });
    world.simulators.quickbooks.put_record("known", "Customer", fields(known)).unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    // No address is known: the invoice is there, and the mail waits for a person.
    let waits = world.waiting().await.unwrap();
    assert!(waits[0].problem.reason.contains("a mail address"), "{waits:?}");
    assert_eq!(billed(&world).len(), 1);
    let body = json!({ "BillEmail": { "Address": "ap@northwind.example" } });
    world.simulators.quickbooks.edit_invoice("address", "SOW-1-M1", fields(body)).unwrap();
    let key = waits[0].subject.to_string();
    let act = json!({ "subject": key, "act": "release", "reason": "it has an address now" });
    assert_eq!(world.call("POST", "/v1/acts", ADMIN, Some(act)).await.unwrap().0, 202);
    world.settle().await.unwrap();
    world.restart().await.unwrap();
    world.settle().await.unwrap();
    let sent = |world: &World| {
        let requests = world.simulators.faults.requests("quickbooks");
        requests.iter().filter(|(name, _)| name.ends_with("/send")).map(|(_, count)| *count).sum::<u64>()
    };
    let status = world.simulators.quickbooks.records("Invoice")[0].text("EmailStatus");
    assert_eq!((status.as_str(), sent(&world)), ("EmailSent", 2), "one was refused, one went out");
    assert!(world.waiting().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_record_of_an_acceptance_is_beside_its_invoice_once_whatever_happens_to_the_answer() {
    let on = vec![("item = \"1\"".to_owned(), "item = \"1\"\nattach_acceptances = true".to_owned())];
    let world = World::configured("2026-03-02T09:00:00Z", on).await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    let lost = milestoned_mocks::FaultSpec::new("drop_after_write").on("POST", "/upload");
    world.simulators.faults.inject("quickbooks", lost).unwrap();
    world.at("2026-03-10T15:00:00Z").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-10T16:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(world.waiting().await.unwrap().is_empty());
    let attached = world.simulators.quickbooks.records("Attachable");
    let files: Vec<String> = attached.iter().map(|one| one.text("FileName")).collect();
    assert_eq!(files, ["acceptance-SOW-1-M1.txt"]);
    let file = world.simulators.quickbooks.file(&attached[0].text("Id")).unwrap();
    assert!(file.contains("Accepted on: 2026-03-10\nAcceptance document: https://docs.example/signed.pdf\n"), "{file}");
}
