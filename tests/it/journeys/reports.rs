//! Reports whose every figure was computed by hand from a small history.

use milestoned_tests::{ADMIN, REVIEWER, VIEWER, World};
use serde_json::{Value, json};

/// Files a contract of two milestones over 100 and 60 USD: the first is billed in advance, the second on a date.
async fn filed(world: &World, id: &str, customer: &str, date: &str) {
    let terms = json!({
        "customer": customer, "currency": "USD", "total": "160.00", "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": "160.00", "method": "output" }], "milestoned": { "erp": "netsuite" },
        "milestones": [{ "id": "M1", "name": "Design", "amount": "100.00", "timing": "advance" },
            { "id": "M2", "name": "Build", "amount": "60.00", "trigger": "date", "trigger_date": date }],
    });
    assert_eq!(world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap().0, 201);
}

async fn report(world: &World, asked: &str) -> Vec<Value> {
    let (status, rows) = world.call("GET", &format!("/v1/reports/{asked}"), VIEWER, None).await.unwrap();
    assert_eq!(status, 200, "{rows}");
    rows.as_array().unwrap().clone()
}

fn columns(rows: &[Value], names: &[&str]) -> Vec<String> {
    let row = |row: &Value| names.iter().map(|name| row[*name].as_str().unwrap()).collect::<Vec<_>>().join(" | ");
    rows.iter().map(row).collect()
}

#[tokio::test]
async fn a_forecast_expects_money_as_late_as_a_customer_pays_and_what_is_overdue_on_no_date() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, "A", "Northwind Ltd", "2026-06-15").await;
    filed(&world, "B", "Contoso Research", "2027-06-15").await;
    world.settle().await.unwrap();
    // Both invoices of 2026-03-02 are due on 2026-04-01. A pays eight days later; B does not pay.
    world.at("2026-04-09T09:00:00Z").unwrap();
    world.simulators.netsuite.pay("p1", "A-M1", "100.00", "2026-04-09").unwrap();
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    let rows = report(&world, "forecast").await;
    let names = ["Month", "What", "Document", "Due", "Days late so far", "Expected on", "Amount"];
    assert_eq!(
        columns(&rows, &names),
        [
            "2026-06 | to bill | A-M2 | 2026-07-15 |  | 2026-06-15 | 60.00",
            "2026-07 | cash | A-M2 | 2026-07-15 | 8 | 2026-07-23 | 60.00",
            "no date | overdue | B-M1 | 2026-04-01 |  |  | 100.00",
        ]
    );
}

#[tokio::test]
async fn a_cohort_says_of_each_milestone_how_far_it_has_come_and_what_is_wrong_first() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, "A", "Northwind Ltd", "2026-03-20").await;
    filed(&world, "B", "Contoso Research", "2026-04-20").await;
    world.settle().await.unwrap();
    world.at("2026-03-20T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.simulators.netsuite.pay("p1", "A-M1", "100.00", "2026-03-24").unwrap();
    world.simulators.netsuite.pay("p2", "B-M1", "30.00", "2026-03-24").unwrap();
    // On 2026-04-10 the invoices of 2026-03-02 are nine days overdue, the one of 2026-03-20 is due on 2026-04-19.
    world.at("2026-04-10T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    let names =
        ["Contract", "Milestone", "Expected", "Issued", "Stands there as", "Amount", "Paid", "Open", "Red flag"];
    assert_eq!(
        columns(&report(&world, "cohort?month=2026-03").await, &names),
        [
            "B | M1 | 2026-03-02 | B-M1 | in the ERP | 100.00 | 30.00 | 70.00 | not paid, and overdue",
            "A | M1 | 2026-03-02 | A-M1 | in the ERP | 100.00 | 100.00 | 0.00 | ",
            "A | M2 | 2026-03-20 | A-M2 | in the ERP | 60.00 | 0.00 | 60.00 | ",
        ]
    );
    assert_eq!(report(&world, "cohort?month=2026-04").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_metric_is_the_median_or_the_share_of_cases_that_it_lists() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for (id, ours) in
        [("A", json!({ "erp": "netsuite" })), ("B", json!({ "erp": "netsuite", "policy": { "review": "all" } }))]
    {
        let terms = json!({
            "customer": "Northwind Ltd", "currency": "USD", "total": "40.00", "signed_on": "2026-03-02",
            "obligations": [{ "id": "services", "ssp": "40.00", "method": "output" }],
            "milestones": [{ "id": "M1", "name": "Build", "amount": "40.00", "completion": "external_event" }],
            "milestoned": ours,
        });
        assert_eq!(world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap().0, 201);
        world.settle().await.unwrap();
        let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
        assert_eq!(world.call("POST", &format!("/v1/contracts/{id}/facts"), ADMIN, Some(fact)).await.unwrap().0, 202);
    }
    world.settle().await.unwrap();
    // A is invoiced on the day of its acceptance, B waits three days for its approval: half way lies a day and a half.
    world.at("2026-03-05T09:00:00Z").unwrap();
    let (_, waiting) = world.call("GET", "/v1/queue?kind=approval", REVIEWER, None).await.unwrap();
    let act = json!({ "subject": waiting[0]["subject"], "act": "approve", "shown": waiting[0]["shown"] });
    let (status, said) = world.call("POST", "/v1/acts", REVIEWER, Some(act)).await.unwrap();
    assert_eq!(status, 202, "{said}");
    world.settle().await.unwrap();
    let rows = report(&world, "metrics").await;
    let names = [
        "Month",
        "Milestone-to-invoice cycle time",
        "First-send accuracy",
        "Period accuracy",
        "Dispute rate",
        "Invoices",
    ];
    assert_eq!(columns(&rows[..1], &names), ["2026-03 | 1.5 d | 100.0 % | 100.0 % | 0.0 % | 2"]);
    let cases = report(&world, "cases?metric=cycle-time&month=2026-03").await;
    assert_eq!(columns(&cases, &["Contract", "Days", "As it should be"]), ["B | 3 | no", "A | 0 | yes"]);
}
