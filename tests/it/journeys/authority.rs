//! Who may let money go: each way around an approval that a reviewer of the security has tried is tried here.

use std::process::ExitCode;

use clap::Parser as _;
use milestoned::agreements;
use milestoned::cli::{BAD_INPUT, Cli, FOUND};
use milestoned::store::readings::{self, Decided, Reading};
use milestoned_documents::block::Format;
use milestoned_documents::{Input, confirm, propose, reader, sha256};
use milestoned_tests::World;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use serde_json::{Value, json};

/// Token of somebody of these journeys.
fn token(name: &str) -> String {
    format!("token-of-{name}-0123456789abcdef")
}

/// Fay files, tom tells, eve brings evidence, rob and sue decide; each may do everything. `fay-script` is fay's, too.
async fn company(rules: &str) -> World {
    World::configured("2026-03-02T09:00:00Z", vec![staff(rules)]).await.unwrap()
}

/// The line of the configuration that says who there is, and rules beside it.
fn staff(rules: &str) -> (String, String) {
    let rights = ["view", "file_terms", "tell_facts", "approve", "overrule", "release", "operate", "audit"];
    let machine = |name| format!("{{ name = {name:?}, rights = {rights:?}, token = {:?} }}", token(name));
    let meter = format!("{{ name = \"meter\", rights = [\"view\", \"tell_facts\"], token = {:?} }}", token("meter"));
    let machines = ["fay", "fay-script", "tom", "eve", "rob", "sue"].map(machine).join(", ") + ", " + &meter;
    let people = "identity.people = [{ person = \"fay@vendor.example\", known_as = [\"fay\", \"fay-script\"] }]";
    ("http.tokens".to_owned(), format!("http.tokens = [{machines}]\n{people}\n{rules}"))
}

async fn post(world: &World, who: &str, path: &str, body: Value) -> (u16, String) {
    let (status, said) = world.call("POST", path, &token(who), Some(body)).await.unwrap();
    (status, said.to_string())
}

/// Terms of one milestone, accepted by a system event, whose invoice waits for an approval.
fn terms(amount: &str, options: Value) -> Value {
    let mut table = json!({ "erp": "quickbooks", "policy": { "review": "all" } });
    table.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    json!({ "customer": "Northwind Ltd", "currency": "USD", "total": amount, "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": amount, "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": amount, "completion": "external_event",
            "evidence": ["Report"] }],
        "milestoned": table })
}

/// A contract that fay has filed, tom has told the delivery of, and eve the report.
async fn due(world: &World, id: &str, amount: &str) {
    let path = format!("/v1/contracts/{id}");
    let (status, said) = world.call("PUT", &path, &token("fay"), Some(terms(amount, json!({})))).await.unwrap();
    assert_eq!(status, 201, "{said}");
    let delivered = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    let report = json!({ "type": "evidence", "milestone": "M1", "evidence": ["Report"] });
    for (who, fact) in [("tom", delivered), ("eve", report)] {
        assert_eq!(post(world, who, &format!("{path}/facts"), fact).await.0, 202);
    }
    world.settle().await.unwrap();
}

/// Somebody approves the milestone as it stands there now.
async fn approve(world: &World, who: &str, id: &str) -> (u16, String) {
    let (_, contract) = world.call("GET", &format!("/v1/contracts/{id}"), &token(who), None).await.unwrap();
    let body = json!({ "decision": "approve", "shown": contract["milestones"][0]["shown"] });
    let said = post(world, who, &format!("/v1/contracts/{id}/milestones/M1/review"), body).await;
    world.settle().await.unwrap();
    said
}

/// Why the milestone's approval waits.
async fn waits(world: &World) -> String {
    let (_, queue) = world.call("GET", "/v1/queue?kind=approval", &token("rob"), None).await.unwrap();
    queue[0]["problem"]["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn nobody_approves_what_they_filed_told_or_brought_by_whatever_name() {
    let world = company("").await;
    due(&world, "S1", "10.00").await;
    for (who, why) in [
        ("fay", "fay filed or changed its terms"),
        ("fay-script", "fay-script (there as fay) filed or changed its terms"),
        ("tom", "told its acceptance"),
        ("eve", "brought its evidence"),
    ] {
        let (status, said) = approve(&world, who, "S1").await;
        assert!(status == 403 && said.contains("SEGREGATION_OF_DUTIES") && said.contains(why), "{who}: {said}");
    }
    assert_eq!(world.held("quickbooks"), []);
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks")[0], ("S1-M1".into(), "10.00".into()));
}

#[tokio::test]
async fn a_large_amount_needs_two_people_and_splitting_does_not_go_around_it() {
    let world = company("approvals.second_over = \"50000.00\"").await;
    due(&world, "S1", "45000.00").await;
    let (status, said) = approve(&world, "rob", "S1").await;
    assert!(status == 202 && said.contains("S1-M1 is decided"), "{said}");
    due(&world, "S2", "45000.00").await;
    let (status, said) = approve(&world, "rob", "S2").await;
    assert!(status == 202 && said.contains("above 50,000.00 USD in a day two people are needed"), "{said}");
    assert_eq!(world.held("quickbooks").len(), 1, "90,000 in two halves for one customer on one day");
    assert!(waits(&world).await.contains("rob has approved it, and another person has to"));
    let (status, said) = approve(&world, "rob", "S2").await;
    assert!(status == 403 && said.contains("rob has approved M1 of S2"), "{said}");
    let (status, said) = approve(&world, "sue", "S2").await;
    assert!(status == 202 && said.contains("S2-M1 is decided"), "{said}");
    let lines = world.app.env.store.audit(Some("S2".into()), 100).await.unwrap();
    let acts = lines.iter().filter(|line| line.action.contains("approve") || line.action.contains("approvals"));
    let acts: Vec<(&str, &str)> = acts.map(|line| (line.action.as_str(), line.actor.as_str())).collect();
    assert_eq!(acts, [("first of two approvals", "rob"), ("milestone approved", "sue")]);
    assert_eq!(world.held("quickbooks").len(), 2);
}

#[tokio::test]
async fn approvals_that_are_sent_at_once_are_judged_one_after_the_other() {
    let world = company("approvals.second_over = \"50000.00\"").await;
    let ids = ["S1", "S2", "S3", "S4", "S5"];
    for id in ids {
        due(&world, id, "20000.00").await;
    }
    let said = futures_util::future::join_all(ids.map(|id| approve(&world, "rob", id))).await;
    let alone = said.iter().filter(|(status, said)| *status == 202 && said.contains("is decided")).count();
    let waiting = said.iter().filter(|(_, said)| said.contains("two people are needed")).count();
    assert_eq!((alone, waiting), (2, 3), "{said:?}");
    assert_eq!(world.held("quickbooks").len(), 2, "100,000 in five parts at once");
    due(&world, "S6", "90000.00").await;
    let said = futures_util::future::join_all(["rob", "sue"].map(|who| approve(&world, who, "S6"))).await;
    assert!(said.iter().any(|(_, said)| said.contains("S6-M1 is decided")), "one of two is the second: {said:?}");
}

#[tokio::test]
async fn the_first_of_two_approvals_is_void_when_what_was_shown_changes() {
    let world = company("approvals.second_over = \"50.00\"").await;
    due(&world, "S1", "100.00").await;
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    let order =
        json!({ "version": 2, "signed": true, "total": "900.00", "change": [{ "id": "M1", "amount": "900.00" }] });
    assert_eq!(post(&world, "fay", "/v1/contracts/S1/amendments", order).await.0, 202);
    for (who, status) in [("fay-script", 403), ("eve", 403), ("rob", 202), ("rob", 403), ("sue", 202)] {
        assert_eq!(world.approve_orders(&token(who)).await.unwrap()[0].0, status, "{who}");
    }
    assert!(waits(&world).await.contains("rob approved it as it was before, which counts no more"));
    assert_eq!(approve(&world, "sue", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks"), [], "sue is the first of two now");
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks")[0].1, "900.00");
}

#[tokio::test]
async fn a_hold_voids_the_approval_that_waits_for_a_second_person() {
    let world = company("approvals.second_over = \"50.00\"").await;
    due(&world, "S1", "100.00").await;
    assert!(approve(&world, "rob", "S1").await.1.contains("two people are needed"));
    let hold = json!({ "subject": "approval:S1:M1", "act": "hold", "reason": "the report is another one's" });
    assert_eq!(post(&world, "eve", "/v1/acts", hold).await.0, 202);
    world.settle().await.unwrap();
    let said = approve(&world, "sue", "S1").await;
    assert!(said.1.contains("two people are needed"), "what rob said before the hold is void: {said:?}");
    assert_eq!(world.held("quickbooks"), []);
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks")[0].1, "100.00", "both have approved it after the hold");
}

#[tokio::test]
async fn who_has_approved_and_then_tells_the_acceptance_has_approved_nothing() {
    let world = company("").await;
    let path = "/v1/contracts/S1";
    assert_eq!(world.call("PUT", path, &token("fay"), Some(terms("10.00", json!({})))).await.unwrap().0, 201);
    world.settle().await.unwrap();
    assert_eq!(approve(&world, "rob", "S1").await.0, 202, "before anything is delivered");
    let report = json!({ "type": "evidence", "milestone": "M1", "evidence": ["Report"] });
    let delivered = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    for (who, fact) in [("eve", report), ("rob", delivered)] {
        assert_eq!(post(&world, who, &format!("{path}/facts"), fact).await.0, 202);
    }
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), []);
    assert!(waits(&world).await.contains("who approved it has had a hand since in what would be billed"));
    let lines = world.app.env.store.audit(Some("S1".into()), 100).await.unwrap();
    assert!(lines.iter().any(|line| line.detail.starts_with("the approval of M1 is void: rob")), "{lines:#?}");
    assert_eq!(approve(&world, "rob", "S1").await.0, 403);
    assert_eq!(approve(&world, "sue", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks")[0].0, "S1-M1");
    let row = world.app.env.store.contract("S1".into()).await.unwrap().unwrap();
    let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
    assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state, "a replay says the same");
}

#[tokio::test]
async fn an_approval_is_of_what_the_legs_said_and_void_when_one_says_otherwise() {
    let world = company("policy.review = \"all\"").await;
    let issue = world.contract("S1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    let (_, contract) = world.call("GET", "/v1/contracts/S1", &token("rob"), None).await.unwrap();
    let shown = contract["milestones"][0]["shown"].clone();
    assert_eq!(shown["legs"]["crm amount"], "40000.00", "{shown}");
    let review = "/v1/contracts/S1/milestones/M1/review";
    let mut unseen = shown.clone();
    unseen.as_object_mut().unwrap().remove("legs");
    let (status, said) = post(&world, "rob", review, json!({ "decision": "approve", "shown": unseen })).await;
    assert_eq!(status, 409, "what was shown travels whole: {said}");
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    world.deal("S1", "12.35").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), []);
    let why = waits(&world).await;
    assert!(why.contains("crm amount was 40,000.00, it is 12.35 now"), "{why}");
    let (status, said) = post(&world, "rob", review, json!({ "decision": "approve", "shown": shown })).await;
    assert!(status == 409 && said.contains("crm amount was 40,000.00"), "{said}");
    world.deal("S1", "40000.00").unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), [], "it does not come back by itself");
    assert_eq!(approve(&world, "sue", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks")[0].0, "S1-M1");
}

#[tokio::test]
async fn an_exception_that_holds_money_is_not_overruled_by_who_had_a_hand_in_it() {
    let world = company("approvals.second_over = \"50000.00\"").await;
    let mut held = terms("90000.00", json!({ "policy": { "review": "none", "require_legs": ["erp"] } }));
    held["milestones"][0]["evidence"] = json!([]);
    assert_eq!(world.call("PUT", "/v1/contracts/S1", &token("fay"), Some(held)).await.unwrap().0, 201);
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    assert_eq!(post(&world, "tom", "/v1/contracts/S1/facts", fact).await.0, 202);
    world.settle().await.unwrap();
    let overrule = async |who: &str| {
        let body = json!({ "code": "LEG_MISSING", "leg": "erp", "reason": "agreed" });
        let said = post(&world, who, "/v1/contracts/S1/exceptions/overrule", body).await;
        world.settle().await.unwrap();
        said
    };
    for (who, why) in [("fay-script", "filed or changed its terms"), ("tom", "told its acceptance")] {
        let (status, said) = overrule(who).await;
        assert!(status == 403 && said.contains(why), "{who}: {said}");
    }
    assert!(overrule("rob").await.1.contains("stays open"));
    assert_eq!((overrule("rob").await.0, world.held("quickbooks")), (403, vec![]));
    assert_eq!(overrule("sue").await.0, 202);
    assert_eq!(world.held("quickbooks")[0].1, "90000.00");
}

#[tokio::test]
async fn decisions_orders_and_what_systems_say_are_no_facts_that_a_program_tells() {
    let world = company("").await;
    due(&world, "S1", "10.00").await;
    for (fact, words) in [
        (json!({ "type": "review", "milestone": "M1", "decision": "approve", "by": "rob" }), "/v1/acts"),
        (json!({ "type": "overrule", "code": "LEG_MISSING", "by": "rob", "reason": "x" }), "/v1/acts"),
        (json!({ "type": "withdrawn", "number": "S1-M1" }), "/v1/acts"),
        (json!({ "type": "amended", "version": 2, "signed": true }), "/amendments"),
        (json!({ "type": "observed", "leg": "crm", "record": { "stage": "closed_won" } }), "read by itself"),
        (json!({ "type": "payment", "invoice": "S1-M1", "amount": "10.00" }), "read by itself"),
        (json!({ "type": "payment_reversed", "id": "x" }), "read by itself"),
    ] {
        let (status, said) = post(&world, "tom", "/v1/contracts/S1/facts", fact.clone()).await;
        assert!(status == 422 && said.contains(words), "{fact}: {said}");
    }
    assert_eq!(world.app.env.store.hands("S1".into()).await.unwrap().told.len(), 2, "nothing of it is kept");
    let milestone = json!({ "external_id": "M2", "project_id": "S1", "name": "More", "currency_code": "USD",
        "billing_amount_minor": 900_000, "billing_timing": "ARREARS", "recognition_trigger": "DELIVERY" });
    for (path, body) in [
        ("/v1/project-milestones", milestone),
        ("/v1/contracts/S1/facts", json!({ "type": "period_closed", "through": "2026-02-28" })),
    ] {
        let (status, said) = post(&world, "meter", path, body).await;
        assert!(status == 403 && said.contains("lacks the right"), "who tells facts files and closes nothing: {said}");
    }
}

#[tokio::test]
async fn a_contract_asks_for_as_much_as_the_company_or_for_more() {
    let world = company("policy = { review = \"over\", review_over = \"50000.00\", require_legs = [\"crm\"] }").await;
    for (policy, words) in [
        (json!({ "review": "none" }), "milestoned.policy.review: lets more go"),
        (json!({ "review_over": "60000.00" }), "milestoned.policy.review_over: is above"),
        (json!({ "require_legs": ["psa"] }), "milestoned.policy.require_legs: lacks crm"),
    ] {
        let body = terms("10.00", json!({ "policy": policy }));
        let (status, said) = world.call("PUT", "/v1/contracts/S1", &token("fay"), Some(body)).await.unwrap();
        assert!(status == 422 && said.to_string().contains(words), "{policy}: {said}");
    }
    let more = json!({ "policy": { "review_over": "100.00" }, "approvals": { "second_over": "5.00" } });
    let (status, said) =
        world.call("PUT", "/v1/contracts/S1", &token("fay"), Some(terms("10.00", more))).await.unwrap();
    assert_eq!(status, 201, "{said}");
    let (status, said) = approve(&world, "rob", "S1").await;
    assert!(status == 202 && said.contains("above 5.00 USD"), "{said}");
}

#[tokio::test]
async fn the_command_line_decides_as_whose_token_it_has() {
    let world = company("").await;
    due(&world, "S1", "10.00").await;
    let run = async |who: &str, amount: &str| {
        let words = ["milestoned", "review", "approve", "S1", "M1", "--amount", amount, "--url", &world.url];
        let token = token(who);
        let cli = Cli::try_parse_from(words.into_iter().chain(["--token", token.as_str()])).unwrap();
        milestoned::cli::dispatch(cli).await.unwrap()
    };
    assert_eq!(run("fay-script", "10.00").await, ExitCode::from(FOUND));
    assert_eq!(run("nobody", "10.00").await, ExitCode::from(BAD_INPUT));
    assert_eq!(run("rob", "11.00").await, ExitCode::from(BAD_INPUT), "not the amount that stands there");
    assert_eq!(run("rob", "10.00").await, ExitCode::SUCCESS);
    let lines = world.app.env.store.audit(Some("S1".into()), 100).await.unwrap();
    let approved = lines.iter().find(|line| line.action == "milestone approved").unwrap();
    assert_eq!((approved.actor.as_str(), lines.iter().any(|line| line.actor == "nobody")), ("rob", false));
}

#[tokio::test]
async fn a_change_order_that_splits_a_milestone_does_not_go_around_the_approval() {
    let world = company("").await;
    let mut large = terms("90000.00", json!({ "policy": { "review": "over", "review_over": "50000.00" } }));
    large["milestones"][0]["evidence"] = json!([]);
    let path = "/v1/contracts/S1";
    assert_eq!(world.call("PUT", path, &token("fay"), Some(large)).await.unwrap().0, 201);
    world.settle().await.unwrap();
    let half = json!({ "id": "M2", "name": "Rest", "amount": "45000.00", "completion": "external_event" });
    let order =
        json!({ "version": 2, "signed": true, "change": [{ "id": "M1", "amount": "45000.00" }], "add": [half] });
    let (status, said) = post(&world, "fay", &format!("{path}/amendments"), order).await;
    assert_eq!(status, 202, "{said}");
    assert_eq!(world.approve_orders(&token("fay")).await.unwrap()[0].0, 403);
    assert_eq!(world.approve_orders(&token("sue")).await.unwrap()[0].0, 202);
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    assert_eq!(post(&world, "tom", &format!("{path}/facts"), fact).await.0, 202);
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), []);
    assert_eq!(approve(&world, "fay", "S1").await.0, 403, "nor does who filed the order approve it");
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    assert_eq!(world.held("quickbooks")[0], ("S1-M1".into(), "45000.00".into()));
}

#[tokio::test]
async fn a_change_order_above_the_amount_takes_no_effect_before_another_person_has_approved_it() {
    let world = company("policy = { review = \"over\", review_over = \"500.00\" }").await;
    let own = json!({ "policy": { "review": "over", "review_over": "500.00" } });
    for id in ["S1", "S2"] {
        let path = format!("/v1/contracts/{id}");
        assert_eq!(world.call("PUT", &path, &token("fay"), Some(terms("100.00", own.clone()))).await.unwrap().0, 201);
    }
    world.settle().await.unwrap();
    let order = |version: u32, amount: &str| json!({ "version": version, "signed": true, "total": amount, "change": [{ "id": "M1", "amount": amount }] });
    let file =
        async |id: &str, order: Value| post(&world, "fay", &format!("/v1/contracts/{id}/amendments"), order).await;
    let version = async |id: &str| {
        world.settle().await.unwrap();
        world.call("GET", &format!("/v1/contracts/{id}"), &token("rob"), None).await.unwrap().1["milestones"][0]["shown"]["version"]
            .clone()
    };
    assert!(file("S1", order(2, "300.00")).await.1.contains("amended"), "below the amount");
    let (status, said) = file("S2", order(2, "250.00")).await;
    assert!(status == 202 && said.contains("waits"), "with the other of the customer it is above: {said}");
    assert!(file("S2", order(2, "250.00")).await.1.contains("waits"), "sent again it is the same");
    let versions = (version("S1").await, version("S2").await);
    let (_, queue) = world.call("GET", "/v1/queue?kind=change_order", &token("rob"), None).await.unwrap();
    let reason = queue[0]["problem"]["reason"].as_str().unwrap();
    assert!(reason.contains("filed by fay") && reason.contains("M1 amount: 100.00 → 250.00"), "{reason}");
    assert_eq!(queue[0]["held"]["amount"], "250.00");
    let (_, page) = world.call("GET", "/queue", &token("rob"), None).await.unwrap();
    assert!(page.as_str().unwrap().contains("Change order waits for approval"), "{page}");
    assert_eq!(world.approve_orders(&token("rob")).await.unwrap()[0].0, 202);
    assert_eq!(version("S2").await, versions.0, "it holds now as the other does");
    assert_ne!(versions.0, versions.1);
    file("S1", order(3, "900000.00")).await;
    let (_, queue) = world.call("GET", "/v1/queue?kind=change_order", &token("rob"), None).await.unwrap();
    let refused = json!({ "subject": queue[0]["subject"], "act": "close", "reason": "nobody has signed it" });
    assert_eq!(post(&world, "rob", "/v1/acts", refused.clone()).await.0, 202);
    assert_eq!(post(&world, "rob", "/v1/acts", refused).await.0, 404);
    let (status, said) = file("S1", order(3, "900000.00")).await;
    assert!(status == 409 && said.contains("ORDER_REFUSED"), "{said}");
    assert_eq!(version("S1").await, versions.0);
    let lines = world.app.env.store.audit(Some("S1".into()), 100).await.unwrap();
    let acts = lines.iter().filter(|line| line.action.starts_with("change order"));
    let acts: Vec<(&str, &str)> = acts.map(|line| (line.action.as_str(), line.actor.as_str())).collect();
    assert_eq!(acts, [("change order waits", "fay"), ("change order refused", "rob")]);
}

#[tokio::test]
async fn documents_that_together_exceed_the_amount_for_an_approval_wait_for_one() {
    for (days, gap, billed) in [(1, 0, 1), (1, 1, 2), (3, 2, 1)] {
        let rules =
            format!("policy = {{ review = \"over\", review_over = \"50000.00\" }}\napprovals.window_days = {days}");
        let world = company(&rules).await;
        let mut half = terms("45000.00", json!({ "policy": { "review": "over", "review_over": "50000.00" } }));
        half["milestones"][0]["evidence"] = json!([]);
        for id in ["S1", "S2"] {
            let path = format!("/v1/contracts/{id}");
            assert_eq!(world.call("PUT", &path, &token("fay"), Some(half.clone())).await.unwrap().0, 201);
        }
        world.settle().await.unwrap();
        for id in ["S1", "S2"] {
            let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
            assert_eq!(post(&world, "tom", &format!("/v1/contracts/{id}/facts"), fact).await.0, 202);
            if gap == 0 && id == "S1" {
                continue;
            }
            world.settle().await.unwrap();
            world.later(jiff::SignedDuration::from_hours(24 * gap));
        }
        let asked = world.app.env.store.approvals(None).await.unwrap();
        let invoices = || world.held("quickbooks").iter().filter(|(number, _)| number.ends_with("-M1")).count();
        assert_eq!((invoices(), asked.len()), (billed, 2 - billed), "{days} days, {gap} apart");
        if let Some((contract, _)) = asked.first() {
            assert_eq!(approve(&world, "rob", contract).await.0, 202);
            assert_eq!(invoices(), 2);
            let row = world.app.env.store.contract(contract.clone()).await.unwrap().unwrap();
            let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
            assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state, "a replay says the same");
        }
    }
}

/// One of them on the other side of the date line: at half past ten in London it is tomorrow on Kiritimati already.
#[tokio::test]
async fn halves_in_different_time_zones_count_together() {
    for zones in [["UTC", "Pacific/Kiritimati"], ["Pacific/Kiritimati", "UTC"]] {
        let world = company("policy = { review = \"over\", review_over = \"50000.00\" }").await;
        for (id, zone) in ["S1", "S2"].iter().zip(zones) {
            let mut half = terms("45000.00", json!({ "policy": { "review": "over", "review_over": "50000.00" } }));
            half["milestones"][0]["evidence"] = json!([]);
            half["timezone"] = json!(zone);
            let path = format!("/v1/contracts/{id}");
            assert_eq!(world.call("PUT", &path, &token("fay"), Some(half)).await.unwrap().0, 201);
        }
        world.settle().await.unwrap();
        world.at("2026-03-04T10:30:00Z").unwrap();
        for id in ["S1", "S2"] {
            let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
            assert_eq!(post(&world, "tom", &format!("/v1/contracts/{id}/facts"), fact).await.0, 202);
            world.settle().await.unwrap();
        }
        let invoices = world.held("quickbooks").into_iter().filter(|(number, _)| number.ends_with("-M1")).count();
        assert_eq!((invoices, world.app.env.store.approvals(None).await.unwrap().len()), (1, 1), "{zones:?}");
    }
}

/// A contract of 45,000 that was filed for Apex, and that a change order has brought to Northwind; and one of Northwind's own.
async fn brought_to_northwind(world: &World, review: Value) {
    for (id, customer) in [("S1", "Apex"), ("S2", "Northwind Ltd")] {
        let mut filed = terms("45000.00", json!({ "policy": review }));
        filed["customer"] = json!(customer);
        filed["milestones"][0]["evidence"] = json!([]);
        let path = format!("/v1/contracts/{id}");
        assert_eq!(world.call("PUT", &path, &token("fay"), Some(filed)).await.unwrap().0, 201);
    }
    world.settle().await.unwrap();
    let order = json!({ "version": 2, "signed": true, "customer": "Northwind Ltd" });
    assert_eq!(post(world, "fay", "/v1/contracts/S1/amendments", order).await.0, 202);
    world.settle().await.unwrap();
}

async fn delivered(world: &World, id: &str) {
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    assert_eq!(post(world, "tom", &format!("/v1/contracts/{id}/facts"), fact).await.0, 202);
}

#[tokio::test]
async fn a_change_order_that_brings_another_customer_counts_with_all_that_goes_out_to_that_one() {
    let over = json!({ "review": "over", "review_over": "50000.00" });
    let world = company("policy = { review = \"over\", review_over = \"50000.00\" }").await;
    brought_to_northwind(&world, over).await;
    for id in ["S1", "S2"] {
        delivered(&world, id).await;
        world.settle().await.unwrap();
    }
    assert_eq!(world.held("quickbooks").len(), 1, "90,000 in two halves for one customer on one day");
    assert_eq!(world.app.env.store.approvals(None).await.unwrap()[0].0, "S2");

    let world = company("approvals.second_over = \"50000.00\"").await;
    brought_to_northwind(&world, json!({ "review": "all" })).await;
    assert_eq!(world.approve_orders(&token("rob")).await.unwrap()[0].0, 202);
    for (id, alone) in [("S1", true), ("S2", false)] {
        delivered(&world, id).await;
        world.settle().await.unwrap();
        let (_, said) = approve(&world, "rob", id).await;
        assert_eq!(said.contains("two people are needed"), !alone, "{id}: {said}");
    }
    let order = json!({ "version": 2, "signed": true, "po_number": "7" });
    assert_eq!(post(&world, "fay", "/v1/contracts/S2/amendments", order).await.0, 202);
    let (status, said) = world.approve_orders(&token("rob")).await.unwrap().remove(0);
    assert!(
        status == 202 && said.contains("two people are needed"),
        "what orders put at stake counts together: {said}"
    );
}

#[tokio::test]
async fn a_customer_that_is_halted_is_halted_in_contracts_into_which_it_was_brought() {
    let world = company("policy = { review = \"over\", review_over = \"50000.00\" }").await;
    brought_to_northwind(&world, json!({ "review": "over", "review_over": "50000.00" })).await;
    let halt = json!({ "subject": "pause:customer:Northwind Ltd", "act": "pause", "reason": "in dispute" });
    assert_eq!(post(&world, "rob", "/v1/acts", halt).await.0, 202);
    delivered(&world, "S1").await;
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks"), []);
    let on = json!({ "subject": "pause:customer:Northwind Ltd", "act": "resume", "reason": "settled" });
    assert_eq!(post(&world, "rob", "/v1/acts", on).await.0, 202);
    world.settle().await.unwrap();
    assert_eq!(world.held("quickbooks")[0].0, "S1-M1");
}

#[tokio::test]
async fn what_comes_out_of_the_folder_has_a_named_owner_or_waits_for_an_approval() {
    for (owner, held) in [("agreements.folder_owner = \"fay-script\"", 1), ("", 0)] {
        let changes = vec![staff(""), ("agreements.folder_owner".to_owned(), owner.to_owned())];
        let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
        let issue = world.contract("S1", "quickbooks").unwrap();
        world.settle().await.unwrap();
        if !owner.is_empty() {
            let (status, said) = approve(&world, "fay", "S1").await;
            assert!(status == 403 && said.contains("fay (there as fay-script) filed"), "{said}");
        }
        world.accept(&issue).unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.held("quickbooks").len(), held, "{owner:?}");
    }
}

#[tokio::test]
async fn the_trail_of_an_invoice_tells_who_approved_what_and_what_the_systems_said_then() {
    let world = company("policy.review = \"all\"\napprovals.second_over = \"1000.00\"").await;
    let issue = world.contract("S1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    for who in ["rob", "sue"] {
        assert_eq!(approve(&world, who, "S1").await.0, 202);
    }
    world.simulators.quickbooks.pay("pay", "S1-M1", "40000.00", "2026-03-02").unwrap();
    world.settle().await.unwrap();
    let deliveries = world.app.env.store.deliveries(Some("S1".into()), &[]).await.unwrap();
    let invoice = deliveries.into_iter().find(|one| one.subject == "S1-M1").unwrap().remote_id.unwrap();
    for of in ["S1-M1", &format!("INVOICE:{invoice}"), "approval:S1:M1"] {
        let path = format!("/v1/trail/{}", of.replace(':', "%3A"));
        let (status, trail) = world.call("GET", &path, &token("rob"), None).await.unwrap();
        assert_eq!(status, 200, "{of}: {trail}");
        let lines = |title: &str| -> Vec<String> {
            let part = trail["parts"].as_array().unwrap().iter().find(|part| part["title"] == title);
            let lines = part.unwrap_or_else(|| panic!("{title}: {trail:#}"))["lines"].as_array().unwrap().clone();
            let said = |line: &Value| format!("{} {}", line["who"].as_str().unwrap(), line["text"].as_str().unwrap());
            lines.iter().map(said).collect()
        };
        let approved =
            "approved 40,000.00 USD of M1 in version 1 for Northwind Ltd; the systems said then: crm amount 40,000.00";
        let approvals = lines("Approvals");
        assert!(approvals[0].starts_with(&format!("rob {approved}")), "{approvals:#?}");
        assert!(approvals[1].starts_with(&format!("sue {approved}")), "{approvals:#?}");
        assert!(lines("What was delivered and accepted").iter().any(|line| line.contains("signed.pdf")), "{trail:#}");
        assert!(lines("Who filed it")[0].starts_with("dora@vendor.example contract opened: from "), "{trail:#}");
        assert!(lines("Deliveries")[0].contains(&format!("record {invoice} there")), "{trail:#}");
        assert!(lines("Payments")[0].contains("payment of 40,000.00 USD for S1-M1"), "{trail:#}");
    }
    let (_, page) = world.call("GET", "/trail?of=S1-M1", &token("rob"), None).await.unwrap();
    assert!(page.as_str().unwrap().contains("the systems said then: crm amount 40,000.00"), "{page}");
    let (_, package) = world.call("GET", "/v1/trail/S1-M1/package", &token("rob"), None).await.unwrap();
    let [text, key, signature] = ["text", "public_key", "signature"].map(|name| package[name].as_str().unwrap());
    assert!(world.app.env.key.public_keys().contains(&key.to_owned()));
    assert!(milestoned_seal::is_signed(key, text, signature) && text.contains("the systems said then"));
    assert!(!milestoned_seal::is_signed(key, &text.replace("40,000.00", "4,000.00"), signature));
    assert_eq!(world.call("GET", "/v1/trail/S1-M9", &token("rob"), None).await.unwrap().0, 404);
}

#[tokio::test]
async fn a_report_lists_who_could_have_done_both_halves_of_what() {
    let world = company("").await;
    due(&world, "S1", "10.00").await;
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    let (status, report) = world.call("GET", "/v1/duties?contract=S1", &token("rob"), None).await.unwrap();
    assert_eq!(status, 200, "{report}");
    let fay = report["holders"].as_array().unwrap().iter().find(|one| one["person"] == "fay@vendor.example").unwrap();
    assert_eq!(fay["names"], json!(["fay", "fay-script", "fay@vendor.example"]));
    assert_eq!(fay["halves"][0], "file_terms and approve");
    let hand = |person: &str, did: &str| json!({ "contract": "S1", "person": person, "did": did, "and": "may approve or overrule" });
    let expected = [
        hand("eve", "brought its evidence"),
        hand("fay@vendor.example", "filed or changed its terms"),
        hand("tom", "told its acceptance"),
    ];
    assert_eq!(report["hands"], json!(expected), "rob approved, and had no hand in it");
}

#[tokio::test]
async fn who_corrected_what_a_signed_document_says_approves_nothing_of_it_though_another_filed_it() {
    let world = company("").await;
    let (env, now) = (&world.app.env, world.app.env.clock.now());
    let reading = Reading {
        id: "5f".repeat(32),
        name: "sow.pdf".into(),
        actor: "eve".into(),
        read_at: now,
        document: "{}".into(),
        proposal: "{}".into(),
        contract: None,
    };
    let source = readings::source(&reading.name, &reading.id);
    let verdict = r#"{"verdict":"corrected","value":"900000.00"}"#.to_owned();
    let decided = Decided { path: "total".into(), verdict, actor: "rob".into(), decided_at: now };
    env.store.keep_reading(reading.clone(), Vec::new()).await.unwrap();
    assert!(env.store.decide_reading(reading.id.clone(), decided.clone(), None).await.unwrap());
    let over = Decided { actor: "fay".into(), decided_at: now + jiff::SignedDuration::from_secs(1), ..decided };
    assert!(env.store.decide_reading(reading.id, over, Some(now)).await.unwrap(), "fay decides over rob");
    let mut filed = terms("900000.00", json!({}));
    filed["id"] = json!("S1");
    agreements::file(env, filed, &source, &"fay".into(), now).await.unwrap();
    let delivered = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    let report = json!({ "type": "evidence", "milestone": "M1", "evidence": ["Report"] });
    for fact in [delivered, report] {
        assert_eq!(post(&world, "tom", "/v1/contracts/S1/facts", fact).await.0, 202);
    }
    world.settle().await.unwrap();
    for who in ["rob", "eve", "fay"] {
        let (status, said) = approve(&world, who, "S1").await;
        assert_eq!((status, said.contains("SEGREGATION_OF_DUTIES")), (403, true), "{who}: {said}");
    }
    assert!(world.held("quickbooks").is_empty());
    assert!(approve(&world, "sue", "S1").await.0 < 300, "somebody who had no hand in it may");
}

/// What somebody answers to a form of the pages.
async fn submit(world: &World, who: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut form = reqwest::Url::parse("http://form/").unwrap();
    form.query_pairs_mut().extend_pairs(fields);
    let session = world.session(&token(who)).await.unwrap();
    let request = client.post(format!("{}{path}", world.url)).body(form.query().unwrap_or_default().to_owned());
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(COOKIE, session);
    let answer = request.header(ORIGIN, world.origin()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn terms_above_the_limit_are_filed_by_another_person_than_who_decided_about_the_document() {
    let world = company("approvals.second_over = \"50000.00\"").await;
    let (env, now) = (&world.app.env, world.app.env.clock.now());
    let text = b"# Statement of Work No. SOW-2041

made as of 5 January 2026 between Northwind Ltd (the \"Client\") and Acme Systems Inc. (the \"Vendor\").
The total contract value is USD 100,000.00. Invoices are payable within 30 days.

| Milestone | Description | Fee (USD) |
|---|---|---|
| M1 | Design accepted | 40,000 |
| M2 | System in production | 60,000 |
";
    let document = reader::read(text, Format::Markdown).unwrap();
    let proposal = propose(vec![Input::new("sow.md", text, document.clone())], None);
    let reading = Reading {
        id: sha256(text),
        name: "sow.md".into(),
        actor: "eve".into(),
        read_at: now,
        document: serde_json::to_string(&document).unwrap(),
        proposal: serde_json::to_string(&proposal).unwrap(),
        contract: None,
    };
    let page = format!("/documents/{}", reading.id);
    env.store.keep_reading(reading, text.to_vec()).await.unwrap();
    for asked in confirm::asked(&proposal) {
        let verdict = if asked.value.is_some() { "confirm" } else { "reject" };
        let value = asked.value.unwrap_or_default();
        let fields = [("path", asked.path.as_str()), ("verdict", verdict), ("value", &value), ("seen", "")];
        let (status, said) = submit(&world, "fay", &format!("{page}/value"), &fields).await;
        assert_eq!(status, 303, "{}: {said}", asked.path);
    }
    let file = format!("{page}/file");
    for who in ["fay", "fay-script"] {
        let (status, said) = submit(&world, who, &file, &[("erp", "quickbooks"), ("owner", "")]).await;
        assert_eq!((status, said.contains("two people are needed")), (409, true), "{who}: {said}");
    }
    assert_eq!(env.store.contract_count().await.unwrap(), 0);
    let (status, said) = submit(&world, "rob", &file, &[("erp", "quickbooks"), ("owner", "")]).await;
    assert_eq!((status, env.store.contract_count().await.unwrap()), (303, 1), "{said}");
}

#[tokio::test]
async fn several_small_overrulings_count_together() {
    let world = company("approvals.second_over = \"50000.00\"").await;
    for id in ["S1", "S2"] {
        let mut held = terms("45000.00", json!({ "policy": { "review": "none", "require_legs": ["erp"] } }));
        held["milestones"][0]["evidence"] = json!([]);
        let path = format!("/v1/contracts/{id}");
        assert_eq!(world.call("PUT", &path, &token("fay"), Some(held)).await.unwrap().0, 201);
        let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
        assert_eq!(post(&world, "tom", &format!("{path}/facts"), fact).await.0, 202);
    }
    world.settle().await.unwrap();
    let overrule = async |who: &str, id: &str| {
        let body = json!({ "code": "LEG_MISSING", "leg": "erp", "reason": "agreed" });
        let said = post(&world, who, &format!("/v1/contracts/{id}/exceptions/overrule"), body).await.1;
        world.settle().await.unwrap();
        said
    };
    let (first, second) = (overrule("rob", "S1").await, overrule("rob", "S2").await);
    assert!(first.contains("is closed") && second.contains("two people are needed"), "{first} {second}");
    assert_eq!(world.held("quickbooks").len(), 1, "90,000 in two halves for one customer on one day");
    assert!(overrule("sue", "S2").await.contains("is closed"));
    assert_eq!(world.held("quickbooks").len(), 2);
}

#[tokio::test]
async fn an_approval_is_of_the_customers_record_and_void_when_somebody_names_another() {
    let world = company("policy.review = \"all\"").await;
    let customer = |name: &str| {
        let record = milestoned_tests::fields(json!({ "DisplayName": name }));
        world.simulators.quickbooks.put_record(name, "Customer", record).unwrap()
    };
    let (ours, other) = (customer("Northwind Ltd"), customer("Elsewhere Inc"));
    let path = "/v1/contracts/S1";
    let held = terms("10.00", json!({ "policy": { "review": "all", "require_legs": ["erp"] } }));
    assert_eq!(world.call("PUT", path, &token("fay"), Some(held)).await.unwrap().0, 201);
    let choose = async |id: &str| {
        let body = json!({ "remote_id": id, "reason": "asked Dana" });
        let chosen = world.call("PUT", "/v1/customers/quickbooks/Northwind%20Ltd", &token("sue"), Some(body)).await;
        assert_eq!(chosen.unwrap().0, 202);
        world.settle().await.unwrap();
    };
    choose(&ours).await;
    let (_, contract) = world.call("GET", path, &token("rob"), None).await.unwrap();
    assert_eq!(contract["milestones"][0]["shown"]["legs"]["erp customer record"], ours, "{contract}");
    assert!(contract.to_string().contains("LEG_MISSING"), "a person's word is no record of the ERP: {contract}");
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
    let shown = &contract["milestones"][0]["shown"];
    choose(&other).await;
    let body = json!({ "decision": "approve", "shown": shown });
    let (status, said) = post(&world, "rob", &format!("{path}/milestones/M1/review"), body).await;
    assert!(status == 409 && said.contains(&format!("erp customer record was {ours}, it is {other} now")), "{said}");
    let delivered = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    let report = json!({ "type": "evidence", "milestone": "M1", "evidence": ["Report"] });
    for (who, fact) in [("tom", delivered), ("eve", report)] {
        assert_eq!(post(&world, who, &format!("{path}/facts"), fact).await.0, 202);
    }
    world.settle().await.unwrap();
    let why = waits(&world).await;
    assert!(why.contains(&format!("erp customer record was {ours}, it is {other} now")), "{why}");
    let (_, page) = world.call("GET", "/case/approval:S1:M1", &token("rob"), None).await.unwrap();
    assert!(
        page.to_string().contains("customer&#39;s record") || page.to_string().contains("customer's record"),
        "{page}"
    );
}

#[tokio::test]
async fn who_had_a_hand_in_what_goes_out_to_a_customer_does_not_say_which_record_it_is() {
    let world = company("").await;
    let record = milestoned_tests::fields(json!({ "DisplayName": "Northwind Holding" }));
    let id = world.simulators.quickbooks.put_record("holding", "Customer", record).unwrap();
    due(&world, "S1", "10.00").await;
    let filed = world.call("PUT", "/v1/contracts/S2", &token("fay"), Some(terms("10.00", json!({})))).await.unwrap();
    assert_eq!((filed.0, approve(&world, "rob", "S2").await.0), (201, 202), "before anything is delivered");
    let choose = async |who: &str| {
        let body = json!({ "remote_id": id, "reason": "asked Dana" });
        let said =
            world.call("PUT", "/v1/customers/quickbooks/Northwind%20Ltd", &token(who), Some(body)).await.unwrap();
        (said.0, said.1.to_string())
    };
    for (who, why) in [
        ("fay-script", "(there as fay) filed or changed its terms"),
        ("tom", "told its acceptance"),
        ("eve", "brought its evidence"),
        ("rob", "approved what goes out to it"),
    ] {
        let (status, said) = choose(who).await;
        assert!(status == 403 && said.contains("SEGREGATION_OF_DUTIES") && said.contains(why), "{who}: {said}");
    }
    let (status, said) = choose("sue").await;
    assert!(status == 202 && said.contains("Northwind Holding"), "{said}");
    world.settle().await.unwrap();
    let (status, said) = approve(&world, "sue", "S1").await;
    assert!(status == 403 && said.contains("named its customer's record"), "{said}");
    assert_eq!(approve(&world, "rob", "S1").await.0, 202);
}
