//! What waits for a person is one list on every face, what a person decides is checked in one place, and what people are told
//! is so.

use milestoned::cli::doctor;
use milestoned::review::subject::Subject;
use milestoned_mapping::contract::Code;
use milestoned_mapping::fact::Leg;
use milestoned_tests::{ADMIN, REVIEWER, VIEWER, World};
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION};
use serde_json::{Value, json};

/// A contract whose invoices wait for a reviewer; its milestone is accepted by a system event.
async fn filed(world: &World, id: &str, amount: &str) {
    let terms = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": amount, "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": amount, "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": amount, "completion": "external_event" }],
        "milestoned": { "erp": "quickbooks", "policy": { "review": "all" } } });
    let path = format!("/v1/contracts/{}", id.replace('/', "%2F").replace('?', "%3F"));
    let (status, said) = world.call("PUT", &path, ADMIN, Some(terms)).await.unwrap();
    assert_eq!(status, 201, "{said}");
}

async fn delivered(world: &World, id: &str) {
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    let (status, said) = world.call("POST", &format!("/v1/contracts/{id}/facts"), ADMIN, Some(fact)).await.unwrap();
    assert_eq!(status, 202, "{said}");
    world.settle().await.unwrap();
}

async fn waiting(world: &World, query: &str) -> Vec<Value> {
    let (status, queue) = world.call("GET", &format!("/v1/queue{query}"), VIEWER, None).await.unwrap();
    assert_eq!(status, 200, "{queue}");
    queue.as_array().unwrap().clone()
}

async fn post(world: &World, path: &str, body: Value) -> (u16, String) {
    post_as(world, ADMIN, path, body).await
}

async fn post_as(world: &World, token: &str, path: &str, body: Value) -> (u16, String) {
    let (status, said) = world.call("POST", path, token, Some(body)).await.unwrap();
    (status, said.to_string())
}

/// A page as a browser gets it, and a form as a browser sends it.
async fn browse(world: &World, path: &str, form: Option<&[(&str, &str)]>) -> (u16, String, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = format!("{}{path}", world.url);
    let request = match form {
        None => client.get(url),
        Some(fields) => {
            let mut form = reqwest::Url::parse("http://form/").unwrap();
            form.query_pairs_mut().extend_pairs(fields);
            let body = form.query().unwrap_or_default().to_owned();
            client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        }
    };
    // Contracts are filed by the admin, who is not the one to approve them.
    let session = world.session(if path == "/act" { REVIEWER } else { ADMIN }).await.unwrap();
    let request = request.header(COOKIE, session).header("origin", world.origin()).header(ACCEPT, "text/html");
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let location = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (status, answer.text().await.unwrap(), location)
}

#[tokio::test]
async fn what_waits_for_approval_stands_on_every_face_and_an_approval_is_of_what_was_shown() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, "BAIT", "10.00").await;
    world.settle().await.unwrap();
    let path = "/v1/contracts/BAIT/milestones/M1/review";
    let (_, contract) = world.call("GET", "/v1/contracts/BAIT", VIEWER, None).await.unwrap();
    let shown = contract["milestones"][0]["shown"].clone();
    let (status, said) = post(&world, path, json!({ "decision": "approve" })).await;
    assert!(status == 409 && said.contains("10.00 USD"), "not without what was shown: {said}");
    let approve = json!({ "decision": "approve", "shown": shown });
    assert_eq!(post_as(&world, REVIEWER, path, approve).await.0, 202);
    let order = json!({ "version": 2, "signed": true, "total": "900000.00", "change": [{ "id": "M1", "amount": "900000.00" }] });
    let (status, said) = post(&world, "/v1/contracts/BAIT/amendments", order).await;
    assert!(status == 202 && said.contains("waits"), "{said}");
    assert_eq!(world.approve_orders(ADMIN).await.unwrap()[0].0, 403, "who filed it");
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    delivered(&world, "BAIT").await;
    assert_eq!(world.held("quickbooks"), []);
    let item = waiting(&world, "?kind=approval").await.remove(0);
    assert_eq!(item["held"]["amount"], "900000.00");
    let reason = item["problem"]["reason"].as_str().unwrap();
    assert!(reason.contains("10.00 was approved, it is 900,000.00 now"), "{reason}");
    let (status, said) = post(&world, path, json!({ "decision": "approve", "shown": shown })).await;
    assert!(status == 409 && said.contains("version 1 was approved"), "what was shown is stale: {said}");
    for (path, words) in [
        ("/", "900,000.00 USD"),
        ("/queue", "Approve 900,000.00 USD"),
        ("/contracts/BAIT", "waits for approval"),
        ("/metrics", "milestoned_queue{kind=\"approval\",severity=\"blocking\"} 1"),
    ] {
        let (_, page) = world.call("GET", path, ADMIN, None).await.unwrap();
        assert!(page.as_str().unwrap().contains(words), "{path}: {page}");
    }
    let (_, contracts) = world.call("GET", "/v1/contracts", VIEWER, None).await.unwrap();
    assert_eq!(contracts[0]["to_approve"], 1);
    world.at("2026-03-05T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    let mail = world.simulators.mail.messages().pop().unwrap().raw.replace("=\r\n", "");
    assert!(mail.contains("900,000.00 USD"), "{mail}");
    let subject = item["subject"].as_str().unwrap();
    let (status, said, next) = browse(
        &world,
        "/act",
        Some(&[
            ("subject", subject),
            ("act", "approve"),
            ("shown", &item["shown"].to_string()),
            ("next", "/queue?part=approvals"),
        ]),
    )
    .await;
    assert_eq!((status, next.as_str()), (303, "/queue?part=approvals"), "{said}");
    world.settle().await.unwrap();
    assert!(world.held("quickbooks").contains(&("BAIT-M1".into(), "900000.00".into())));
    assert_eq!(waiting(&world, "?kind=approval").await, Vec::<Value>::new());
    let lines = world.app.env.store.audit(Some("BAIT".into()), 100).await.unwrap();
    let said = lines.iter().filter(|line| line.action == "milestone approved").map(|line| line.detail.clone());
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            "M1 of BAIT, 10.00 USD for Northwind Ltd, version 1 (by API)",
            "M1 of BAIT, 900,000.00 USD for Northwind Ltd, version 2 (by page)",
        ]
    );
}

#[tokio::test]
async fn what_does_not_exist_is_refused_on_every_face_and_nothing_is_written() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, "SOW-1", "10.00").await;
    world.settle().await.unwrap();
    world.session(REVIEWER).await.unwrap();
    let before = world.app.env.store.audit_head().await.unwrap();
    let overrule = "/v1/contracts/SOW-1/exceptions/overrule";
    let shown = json!({ "version": 1, "amount": "10.00", "customer": "Northwind Ltd", "terms": "x" });
    for (path, body, status, words) in [
        (
            "/v1/contracts/SOW-1/milestones/M9/review",
            json!({ "decision": "approve", "shown": shown }),
            422,
            "its milestones are M1",
        ),
        ("/v1/contracts/SOW-1/milestones/M1/review", json!({ "decision": "aprove" }), 422, "neither approve nor hold"),
        ("/v1/contracts/SOW-1/milestones/M1/review", json!({ "decision": "hold" }), 422, "reason"),
        ("/v1/contracts/NO/milestones/M1/review", json!({ "decision": "hold", "reason": "x" }), 404, "not known"),
        (overrule, json!({ "code": "NOPE_CODE", "reason": "x" }), 422, "no code of an exception"),
        (overrule, json!({ "code": "AMOUNT_MISMATCH", "leg": "erpp", "reason": "x" }), 422, "no leg"),
        (
            overrule,
            json!({ "code": "AMOUNT_MISMATCH", "leg": "crm", "reason": "x" }),
            404,
            "no open AMOUNT_MISMATCH crm",
        ),
        (overrule, json!({ "code": "AMOUNT_MISMATCH", "reason": "  " }), 422, "reason"),
        ("/v1/acts", json!({ "subject": "parked:1", "act": "close", "reason": "x" }), 422, "names nothing"),
        ("/v1/acts", json!({ "subject": "record:1", "act": "give_up", "reason": "x" }), 422, "does not apply"),
        ("/v1/acts", json!({ "subject": "record:1", "act": "note", "reason": "x" }), 404, "nothing that waits"),
        (
            "/v1/contracts/SOW-1/facts",
            json!({ "type": "review", "milestone": "M1", "decision": "approve", "by": "rob" }),
            422,
            "/v1/acts",
        ),
    ] {
        let (was, said) = post(&world, path, body.clone()).await;
        assert!(was == status && said.contains(words), "{path} {body}: {was} {said}");
    }
    let subject = "approval:SOW-1:M1";
    for fields in [
        vec![("subject", subject), ("act", "aprove")],
        vec![("subject", subject), ("act", "approve")],
        vec![("subject", "exception:SOW-1:AMOUNT_MISMATCH:M1:erpp"), ("act", "overrule"), ("reason", "x")],
        vec![("subject", "delivery:x"), ("act", "give_up"), ("reason", "x")],
    ] {
        let (status, page, _) = browse(&world, "/act", Some(&fields)).await;
        assert!((400..500).contains(&status) && page.contains("<h1>"), "{fields:?}: {status} {page}");
    }
    for (path, status) in
        [("/v1/contracts?limit=0", 422), ("/v1/contracts?customer=x", 400), ("/v1/queue?kind=nothing", 422)]
    {
        assert_eq!(world.call("GET", path, VIEWER, None).await.unwrap().0, status, "{path}");
    }
    assert_eq!(world.app.env.store.audit_head().await.unwrap(), before);
}

#[tokio::test]
async fn a_contract_with_any_id_is_reached_by_its_own_links_and_by_no_other() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, "2026/041", "10.00").await;
    world.settle().await.unwrap();
    let (_, portfolio, _) = browse(&world, "/", None).await;
    let href = portfolio.split("href=\"").find(|rest| rest.starts_with("/contracts/")).unwrap();
    let href = href.split('"').next().unwrap();
    let (status, page, _) = browse(&world, href, None).await;
    assert!(status == 200 && page.contains("<h1>2026/041"), "{href}: {status}");
    assert!(page.contains("value=\"approval:2026/041:M1\""), "its forms name it, and nothing else: {page}");
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    assert_eq!(post(&world, "/v1/contracts/2026%2F041/facts", fact).await.0, 202);
    world.settle().await.unwrap();
    let (_, queue, _) = browse(&world, "/queue", None).await;
    assert!(queue.contains("href=\"/contracts/2026%2F041#M1\""), "{queue}");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_a_browser_and_a_problem_for_a_program() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for path in ["/contracts/NOPE", "/nothing/here", "/queue?part=nothing"] {
        let (status, page, _) = browse(&world, path, None).await;
        assert!(status == 404 && page.contains("<title>") && page.contains("Not Found"), "{path}: {status} {page}");
        let request = reqwest::Client::new().get(format!("{}{path}", world.url));
        let answer = request.header(COOKIE, world.session(ADMIN).await.unwrap()).send().await.unwrap();
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json", "{path}");
        let body: Value = answer.json().await.unwrap();
        assert!(body["status"] == 404 && !body["remedy"].as_str().unwrap().is_empty(), "{body}");
    }
    let (status, body) = world.call("POST", "/v1/acts", ADMIN, Some(json!({ "act": 1 }))).await.unwrap();
    assert!(status == 422 && body["code"] == "INVALID", "what cannot be read is told like the rest: {body}");
}

#[tokio::test]
async fn a_link_from_a_mail_survives_the_sign_in() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.get(format!("{}/contracts/A%2FB?x=1", world.url)).send().await.unwrap();
    let sign_in = answer.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(sign_in, "/sign-in?next=%2Fcontracts%2FA%252FB%3Fx%3D1");
    let page = client.get(format!("{}{sign_in}", world.url)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("value=\"/contracts/A%2FB?x=1\""), "{page}");
}

#[tokio::test]
async fn what_the_erp_refused_is_called_that_and_what_was_given_up_can_be_billed_again() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    world.simulators.netsuite.close_period("close", "2026-03-31").unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    let contract = async || world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap().1;
    let jira = || format!("{:?}", world.simulators.jira.issues());
    let sales =
        || world.simulators.salesforce.records("Milestone__c").iter().map(ToString::to_string).collect::<String>();
    let view = contract().await;
    assert_eq!((&view["summary"]["billed"], &view["summary"]["in_erp"]), (&json!("40000.00"), &json!("0.00")));
    assert_eq!(view["milestones"][0]["state"], "invoice refused");
    assert_eq!(view["documents"][0]["standing"], "refused");
    assert!(
        !sales().contains("invoiced") && !jira().contains("SOW-1-M1"),
        "nobody is told that it is invoiced: {}",
        sales()
    );
    let refused = waiting(&world, "?kind=delivery")
        .await
        .into_iter()
        .find(|item| item["title"].as_str().unwrap().starts_with("invoice"))
        .unwrap();
    assert_eq!(refused["held"], json!({ "amount": "40000.00", "currency": "USD" }));
    let subject = refused["subject"].as_str().unwrap();
    let act = async |act: &str| {
        post(&world, "/v1/acts", json!({ "subject": subject, "act": act, "reason": "the customer left" })).await
    };
    let (status, said) = act("give_up").await;
    assert!(status == 202 && said.contains("SOW-1-M1 is withdrawn"), "{said}");
    world.settle().await.unwrap();
    assert_eq!(act("release").await.0, 409, "sent now, it would be billed twice");
    let still = waiting(&world, "?kind=exception").await.remove(0);
    assert_eq!((&still["code"], &still["acts"]), (&json!("INVOICE_WITHDRAWN"), &json!(["approve", "overrule"])));
    let findings = doctor::waiting(&world.app.env).await.unwrap();
    assert!(findings.iter().any(|one| one.place.contains("INVOICE_WITHDRAWN")), "{findings:?}");
    let view = contract().await;
    assert_eq!(
        (&view["milestones"][0]["state"], &view["summary"]["billed"]),
        (&json!("invoice withdrawn"), &json!("0.00"))
    );
    assert_eq!((&view["summary"]["in_erp"], &view["documents"][0]["standing"]), (&json!("0.00"), &json!("given_up")));
    world.simulators.netsuite.close_period("open", "2026-02-28").unwrap();
    let body = json!({ "subject": still["subject"], "act": "approve", "shown": still["shown"] });
    assert_eq!(post(&world, "/v1/acts", body).await.0, 202, "it can be billed again");
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), [("SOW-1-M1-S1".into(), "40000.00".into())]);
    let view = contract().await;
    assert_eq!(
        (&view["milestones"][0]["state"], &view["summary"]["in_erp"]),
        (&json!("invoiced, in the ERP"), &json!("40000.00"))
    );
    assert!(sales().contains("invoiced"), "now sales is told: {}", sales());
    let lines = world.app.env.store.audit(Some("SOW-1".into()), 100).await.unwrap();
    assert!(
        lines.iter().any(|line| line.action == "fact decided"
            && line.detail.contains("SOW-1-M1 withdrawn by ada: the customer left")),
        "the trail says what was decided, and why: {lines:#?}"
    );
}

#[tokio::test]
async fn what_a_reviewer_holds_is_held() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let hold = json!({ "decision": "hold", "reason": "the customer disputes it" });
    assert_eq!(post(&world, "/v1/contracts/SOW-1/milestones/M1/review", hold).await.0, 202);
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite"), []);
    let held = waiting(&world, "?kind=exception").await.remove(0);
    assert_eq!((&held["code"], &held["held"]["amount"]), (&json!("HELD_BY_REVIEWER"), &json!("40000.00")));
    let (_, page, _) = browse(&world, "/contracts/SOW-1", None).await;
    assert!(page.contains("held by a reviewer"), "{page}");
    let approve = json!({ "subject": held["subject"], "act": "approve", "shown": held["shown"] });
    assert_eq!(post(&world, "/v1/acts", approve).await.0, 202);
    world.settle().await.unwrap();
    assert_eq!(world.held("netsuite")[0].0, "SOW-1-M1");
    let late = json!({ "decision": "hold", "reason": "too late" });
    let (_, said) = post(&world, "/v1/contracts/SOW-1/milestones/M1/review", late).await;
    assert!(said.to_string().contains("decided before: SOW-1-M1"), "nobody is told that it is not invoiced: {said}");
}

#[tokio::test]
async fn what_the_events_say_was_recognised_is_what_the_journal_says() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": "300.00", "signed_on": "2026-03-02",
        "obligations": [{ "id": "build", "ssp": "200.00", "method": "cost_to_cost" },
            { "id": "design", "ssp": "100.00", "method": "output" }],
        "milestones": [
            { "id": "M1", "name": "Build", "amount": "200.00", "completion": "external_event", "obligation": "build" },
            { "id": "M2", "name": "Design", "amount": "100.00", "completion": "external_event", "obligation": "design" }],
        "milestoned": { "erp": "quickbooks" } });
    assert_eq!(world.call("PUT", "/v1/contracts/POC-1", ADMIN, Some(terms)).await.unwrap().0, 201);
    for fact in [
        json!({ "type": "cost", "obligation": "build", "incurred": "50.00", "estimate_to_complete": "150.00" }),
        json!({ "type": "external_event", "milestone": "M1" }),
        json!({ "type": "external_event", "milestone": "M2" }),
    ] {
        let (status, said) = post(&world, "/v1/contracts/POC-1/facts", fact).await;
        assert_eq!(status, 202, "{said}");
        world.settle().await.unwrap();
    }
    let (_, events) = world.call("GET", "/v1/events", VIEWER, None).await.unwrap();
    let of = |kind: &str| -> Vec<i64> {
        let events = events.as_array().unwrap().iter().filter(|event| event["type"] == kind);
        events.map(|event| event["data"]["amount_minor"].as_i64().unwrap()).collect()
    };
    let (_, contract) = world.call("GET", "/v1/contracts/POC-1", VIEWER, None).await.unwrap();
    let recognised = contract["summary"]["recognised"].as_str().unwrap().replace('.', "");
    assert_eq!(of("revenue.recognized").iter().sum::<i64>().to_string(), recognised, "{events}");
    assert_eq!(of("milestone.recognized"), [10_000], "an acceptance recognises nothing under cost to cost: {events}");
    for (milestone, status) in [("POC-1:M1", "INVOICED"), ("POC-1:M2", "RECOGNIZED")] {
        let (_, one) = world.call("GET", &format!("/v1/project-milestones/{milestone}"), VIEWER, None).await.unwrap();
        assert_eq!(one["status"], status, "{milestone}");
    }
}

#[tokio::test]
async fn an_issue_is_named_by_the_key_that_people_know() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.move_issue(&issue, "To Do", json!({ "customfield_10103": "35000.00" })).unwrap();
    world.settle().await.unwrap();
    let waits = waiting(&world, "").await;
    let reasons: Vec<String> = waits.iter().map(|item| item["problem"]["reason"].to_string()).collect();
    let said = format!("35,000.00 seen (in jira issue {})", issue.key);
    assert!(reasons.iter().any(|reason| reason.contains(&said)), "{reasons:?}");
}

#[tokio::test]
async fn an_exception_shows_the_two_values_and_the_record_and_keeps_what_people_said_of_it() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "12.35").unwrap();
    world.settle().await.unwrap();
    let subject = Subject::Exception {
        contract: "SOW-1".into(),
        code: Code::AmountMismatch,
        milestone: None,
        leg: Some(Leg::Crm),
    }
    .to_string();
    let item = async || waiting(&world, "").await.into_iter().find(|item| item["subject"] == subject.as_str()).unwrap();
    let reason = item().await["problem"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("amount: 40,000.00 agreed; 12.35 seen (in salesforce Opportunity "), "{reason}");
    for (act, rest) in [
        ("assign", json!({ "to": "mia@vendor.example" })),
        ("snooze", json!({ "until": "2026-03-20" })),
        ("note", json!({ "reason": "sales looks" })),
    ] {
        let mut body = json!({ "subject": subject, "act": act });
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!(post(&world, "/v1/acts", body).await.0, 202, "{act}");
    }
    // Every exception of the contract is written anew with the next change.
    world.deal("SOW-1", "13.00").unwrap();
    world.settle().await.unwrap();
    let said = item().await;
    assert!(said["problem"]["reason"].as_str().unwrap().contains("13.00 seen"), "{said}");
    assert_eq!(
        (&said["owner"], &said["snoozed_until"], &said["note"]),
        (&json!("mia@vendor.example"), &json!("2026-03-20"), &json!("sales looks"))
    );
    assert_eq!(waiting(&world, "?owner=mia@vendor.example").await.len(), 1);
    world.at("2026-03-05T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(!world.simulators.mail.messages().iter().any(|mail| mail.raw.contains("AMOUNT_MISMATCH")), "snoozed");
}
