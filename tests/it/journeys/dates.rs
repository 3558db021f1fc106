//! Books follow when things happened: what is learned late, in the ERP too.

use milestoned_mapping::contract::Held;
use milestoned_tests::postgres::cluster;
use milestoned_tests::{ADMIN, VIEWER, World};
use serde_json::{Value, json};

/// A contract over the API; its milestones are accepted over the API too.
async fn filed(world: &World, milestones: Value) {
    let terms = json!({
        "customer": "Northwind Ltd", "currency": "USD", "total": "100.00", "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": "100.00", "method": "output" }],
        "milestones": milestones, "milestoned": { "erp": "netsuite" },
    });
    assert_eq!(world.call("PUT", "/v1/contracts/SOW-1", ADMIN, Some(terms)).await.unwrap().0, 201);
    world.settle().await.unwrap();
}

fn two() -> Value {
    json!([{ "id": "M1", "name": "Design", "amount": "40.00" }, { "id": "M2", "name": "Build", "amount": "60.00" }])
}

/// Somebody tells over the API, now, that a milestone was accepted on a date.
async fn accepted(world: &World, milestone: &str, on: &str) {
    let fact = json!({ "type": "accepted", "milestone": milestone, "on": on, "by": "c@customer.example", "document": "https://d.example" });
    assert_eq!(world.call("POST", "/v1/contracts/SOW-1/facts", ADMIN, Some(fact)).await.unwrap().0, 202);
    world.settle().await.unwrap();
}

async fn report(world: &World) -> Value {
    world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap().1["report"].clone()
}

/// Numbers and amounts of the journal entries that the ERP holds.
fn entries(world: &World) -> Vec<(String, String)> {
    world.held("netsuite").into_iter().filter(|(number, _)| number.contains('J')).collect()
}

#[tokio::test]
async fn what_is_learned_of_a_date_that_is_over_reaches_the_erp_as_a_further_entry_of_that_date() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, two()).await;
    world.at("2026-04-02T09:00:00Z").unwrap();
    accepted(&world, "M1", "2026-03-28").await;
    let first = ("SOW-1-20260328J".to_owned(), "40.00".to_owned());
    assert_eq!(entries(&world), std::slice::from_ref(&first));
    world.at("2026-04-03T09:00:00Z").unwrap();
    accepted(&world, "M2", "2026-03-28").await;
    let held = entries(&world);
    let of_march: Vec<_> = held.iter().filter(|(number, _)| number.starts_with("SOW-1-20260328J")).cloned().collect();
    assert_eq!(of_march, [first, ("SOW-1-20260328J2".to_owned(), "60.00".to_owned())]);
    let (_, drifts) = world.call("GET", "/v1/queue?kind=drift", VIEWER, None).await.unwrap();
    assert_eq!(drifts["items"].as_array().or(drifts.as_array()).map(Vec::len), Some(0), "{drifts}");
}

#[tokio::test]
async fn a_payment_bears_the_date_that_the_erp_gives_it() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, two()).await;
    accepted(&world, "M1", "2026-03-02").await;
    world.at("2026-04-02T10:00:00Z").unwrap();
    world.simulators.netsuite.pay("p", "SOW-1-M1", "40.00", "2026-03-20").unwrap();
    world.settle().await.unwrap();
    let report = report(&world).await;
    let paid = report["journal"].as_array().unwrap().iter().find(|entry| entry["lines"].to_string().contains("cash"));
    assert_eq!(paid.map(|entry| &entry["date"]), Some(&json!("2026-03-20")), "{report}");
}

/// What is booked on a date, by account: debits positive.
fn booked(report: &Value, date: &str, account: &str) -> String {
    let entries = report["journal"].as_array().unwrap().iter().filter(|entry| entry["date"] == date);
    let mut lines =
        entries.flat_map(|entry| entry["lines"].as_array().unwrap()).filter(|line| line["account"] == account);
    let line = lines.next().unwrap_or(&Value::Null);
    line["debit"].as_str().map_or_else(|| format!("-{}", line["credit"].as_str().unwrap_or("0")), Into::into)
}

/// Dates are closed by the ERP; a late acceptance, a change order and an as-of report follow.
async fn learned_of_a_closed_period(world: World) {
    filed(&world, two()).await;
    accepted(&world, "M1", "2026-03-02").await;
    world.at("2026-04-02T09:00:00Z").unwrap();
    world.simulators.netsuite.close_period("close", "2026-03-31").unwrap();
    world.settle().await.unwrap();
    accepted(&world, "M2", "2026-03-28").await;
    let report = report(&world).await;
    assert_eq!(booked(&report, "2026-04-02", "revenue"), "-60.00", "{report}");
    assert_eq!(booked(&report, "2026-03-28", "revenue"), "-0", "the entries of closed dates stay");
    let late = report["exceptions"].as_array().unwrap().iter().any(|one| one["code"] == "BOOKED_LATE");
    assert!(late, "{report}");
    let (_, trail) = world.call("GET", "/v1/audit", ADMIN, None).await.unwrap();
    let lines: Vec<&Value> = trail.as_array().unwrap().iter().filter(|line| line["action"] == "dates closed").collect();
    assert!(lines.len() == 1 && lines[0]["actor"] == "netsuite", "{lines:?}");
    let (_, closed) = world.call("GET", "/v1/closed-dates", VIEWER, None).await.unwrap();
    assert_eq!((&closed[0]["erp"], &closed[0]["through"]), (&json!("netsuite"), &json!("2026-03-31")));
    let order = json!({ "version": 2, "signed": true, "on": "2026-03-30", "total": "110.00",
        "change": [{ "id": "M2", "amount": "70.00" }] });
    let order = world.call("POST", "/v1/contracts/SOW-1/amendments", ADMIN, Some(order)).await.unwrap();
    assert_eq!(order.0, 202, "{}", order.1);
    world.settle().await.unwrap();
    let revenue = async |rest: &str| {
        let path = format!("/v1/contracts/SOW-1/as-of?{rest}");
        world.call("GET", &path, VIEWER, None).await.unwrap().1["position"]["revenue"].clone()
    };
    assert_eq!(revenue("date=2026-03-31").await, "110.00");
    assert_eq!(revenue("date=2026-03-31&known_by=2026-04-01T12:00:00Z").await, "40.00");
    assert_eq!(world.app.env.store.closed_dates().await.unwrap()["netsuite"].through.to_string(), "2026-03-31");
}

#[tokio::test]
async fn what_is_learned_of_a_period_that_the_erp_has_closed_is_booked_on_the_first_open_date() {
    learned_of_a_closed_period(World::start("2026-03-02T09:00:00Z").await.unwrap()).await;
}

#[tokio::test]
async fn what_is_learned_of_a_closed_period_on_postgres_is_booked_on_the_first_open_date() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    let store = vec![("store.path".to_owned(), format!("store.url = '{url}'"))];
    learned_of_a_closed_period(World::configured("2026-03-02T09:00:00Z", store).await.unwrap()).await;
}

#[tokio::test]
async fn the_book_close_date_of_quickbooks_and_that_of_the_configuration_close_dates() {
    let closed =
        "periods.closed_through = { netsuite = \"2026-01-31\" }\nhttp.public_url = \"https://milestoned.example\"";
    let line = ("http.public_url".to_owned(), closed.to_owned());
    let world = World::configured("2026-04-02T09:00:00Z", vec![line]).await.unwrap();
    world.simulators.quickbooks.close_period("close", "2026-02-28").unwrap();
    world.settle().await.unwrap();
    let (_, closed) = world.call("GET", "/v1/closed-dates", VIEWER, None).await.unwrap();
    let told: Vec<_> = closed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["erp"].as_str(), one["through"].as_str(), one["actor"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("netsuite"), Some("2026-01-31"), Some("configuration")),
            (Some("quickbooks"), Some("2026-02-28"), Some("quickbooks")),
        ]
    );
}

#[tokio::test]
async fn a_person_closes_a_period_that_is_over_and_a_contract_that_is_filed_then_says_from_when_its_books_are() {
    let world = World::start("2026-04-02T09:00:00Z").await.unwrap();
    let close = |through: &str| json!({ "through": through, "reason": "March is reported" });
    let post =
        async |body: Value, token: &str| world.call("POST", "/v1/closed-dates", token, Some(body)).await.unwrap();
    assert_eq!(post(close("2026-03-31"), VIEWER).await.0, 403);
    assert_eq!(post(close("2026-04-30"), ADMIN).await.0, 422, "April is not over");
    let (status, closed) = post(close("2026-03-31"), ADMIN).await;
    assert_eq!((status, &closed["closed"]), (202, &json!(["netsuite", "quickbooks"])));
    assert_eq!(post(close("2026-03-31"), ADMIN).await.1["closed"], json!([]), "it was closed already");
    let terms = |first: &str| {
        json!({
            "customer": "Northwind Ltd", "currency": "USD", "total": "100.00", "signed_on": "2026-01-05", "books_from": first,
            "milestones": two(), "milestoned": { "erp": "netsuite" },
        })
    };
    let put = async |first: &str| world.call("PUT", "/v1/contracts/SOW-2", ADMIN, Some(terms(first))).await.unwrap();
    let (status, refused) = put("2026-03-01").await;
    assert!(
        status == 422
            && refused
                .to_string()
                .contains("books_from: the dates of netsuite are closed through 2026-03-31; write 2026-04-01"),
        "{refused}"
    );
    assert_eq!(put("2026-04-01").await.0, 201);
}

#[tokio::test]
async fn a_contract_is_shown_as_of_a_date_as_known_then_and_as_known_now_and_told_step_by_step() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, two()).await;
    world.at("2026-04-02T09:00:00Z").unwrap();
    accepted(&world, "M1", "2026-03-28").await;
    let of_march = async |rest: &str| {
        let path = format!("/v1/contracts/SOW-1/as-of?date=2026-03-31{rest}");
        world.call("GET", &path, VIEWER, None).await.unwrap().1
    };
    let (now, then) = (of_march("").await, of_march("&known_by=2026-03-31").await);
    let told = |report: &Value| (report["milestones"][0]["status"].clone(), report["position"]["revenue"].clone());
    assert_eq!(told(&now), (json!("accepted"), json!("40.00")));
    assert_eq!(told(&then), (json!("pending"), json!("0.00")));
    assert_eq!(of_march("&known_by=2026-03-20T00:00:00Z").await["code"], "INVALID", "March was not over then");
    let (_, steps) = world.call("GET", "/v1/contracts/SOW-1/explanation", VIEWER, None).await.unwrap();
    let effects = steps.as_array().unwrap().iter().find(|step| step["cause"].as_str().unwrap().contains("M1 accepted"));
    assert!(effects.unwrap()["effects"].to_string().contains("entry of 2026-03-28"), "{steps}");
}

/// Who bills by milestoned and takes the contract over anew from what the ERP and Jira hold has the same books.
#[tokio::test]
async fn a_history_that_is_proposed_of_what_we_billed_gives_back_our_own_books() {
    for erp in ["netsuite", "quickbooks"] {
        let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
        let issue = world.contract("SOW-1", erp).unwrap();
        world.settle().await.unwrap();
        world.at("2026-03-10T15:00:00Z").unwrap();
        world.accept(&issue).unwrap();
        world.settle().await.unwrap();
        world.at("2026-03-20T15:00:00Z").unwrap();
        match erp {
            "netsuite" => world.simulators.netsuite.pay("p", "SOW-1-M1", "40000.00", "2026-03-18").unwrap(),
            _ => world.simulators.quickbooks.pay("p", "SOW-1-M1", "40000.00", "2026-03-18").unwrap(),
        };
        world.settle().await.unwrap();
        world.at("2026-04-02T09:00:00Z").unwrap();
        world.settle().await.unwrap();
        let held = world.app.env.store.held(erp.into(), "SOW-1".into(), "Northwind Ltd".into()).await.unwrap();
        let row = world.app.env.store.contract("SOW-1".into()).await.unwrap().unwrap();
        let (filed, _) = milestoned::replay::filed(&world.app.env, &row).await.unwrap();
        let known = Held {
            invoices: &held.invoices,
            payments: &held.payments,
            journals: &held.journals,
            facts: &held.facts,
            closed_through: None,
        };
        let proposal = filed.propose_history(&known, "2026-04-02".parse().unwrap());
        let at = proposal.opening.unwrap();
        let told = [at.billed, at.recognised, at.cash, at.deferred_revenue].map(|amount| amount.to_string());
        let path = "/v1/contracts/SOW-1/as-of?date=2026-03-31";
        let ours = world.call("GET", path, VIEWER, None).await.unwrap().1["position"].clone();
        let ours =
            ["billed", "recognised", "cash", "deferred_revenue"].map(|name| ours[name].as_str().unwrap().to_owned());
        assert_eq!(told, ours, "{erp}: {proposal:?}");
        assert!(
            proposal.notes.iter().any(|note| note.ends_with("here and in the ERP")),
            "{erp}: {:?} {:#?}",
            proposal.notes,
            held.journals
        );
    }
}
