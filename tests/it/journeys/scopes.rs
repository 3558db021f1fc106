//! Tokens that are restricted to contracts and customers: every operation of the API is asked for what lies outside.

use milestoned_tests::{ADMIN, World};
use serde_json::{Value, json};

/// May do everything, about the contract `OWN-1` alone.
const BY_CONTRACT: &str = "token-of-one-contract-0123";
/// May do everything, about contracts of one customer.
const BY_CUSTOMER: &str = "token-of-one-customer-0123";
/// May look at everything, and do nothing.
const LOOKER: &str = "token-of-one-who-looks-0123";
/// The customer whose contracts lie outside.
const STRANGER: &str = "Elsewhere Ltd";

async fn world() -> World {
    let rights = ["view", "file_terms", "tell_facts", "approve", "overrule", "release", "operate", "audit"];
    let token = |name: &str, token: &str, scope: &str| {
        format!("{{ name = {name:?}, rights = {rights:?}, token = {token:?}{scope} }}")
    };
    let tokens = [
        token("ada", ADMIN, ""),
        token("one-contract", BY_CONTRACT, ", contracts = [\"OWN-1\"]"),
        token("one-customer", BY_CUSTOMER, ", customers = [\"Own Inc\"]"),
        format!("{{ name = \"looker\", rights = [\"view\"], token = {LOOKER:?} }}"),
    ];
    let tokens = format!("http.tokens = [{}]", tokens.join(", "));
    let world = World::configured("2026-03-02T09:00:00Z", vec![("http.tokens".into(), tokens)]).await.unwrap();
    for (id, customer) in [("OWN-1", "Own Inc"), ("FOREIGN-9", STRANGER)] {
        let (status, said) =
            world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms(customer))).await.unwrap();
        assert_eq!(status, 201, "{said}");
        for milestone in ["M1", "M2"] {
            let fact = json!({ "type": "external_event", "milestone": milestone, "name": "delivery" });
            assert_eq!(
                world.call("POST", &format!("/v1/contracts/{id}/facts"), ADMIN, Some(fact)).await.unwrap().0,
                202
            );
        }
    }
    // Once more, until what was written has been seen.
    for _ in 0..2 {
        world.settle().await.unwrap();
    }
    world
}

/// One milestone that is billed at once, one that waits for an approval, and a leg that lacks.
fn terms(customer: &str) -> Value {
    let milestone =
        |id: &str, amount: &str| json!({ "id": id, "name": "Work", "amount": amount, "completion": "external_event" });
    json!({ "customer": customer, "currency": "USD", "total": "100777.77", "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": "100777.77", "method": "output" }],
        "milestones": [milestone("M1", "777.77"), milestone("M2", "100000.00")],
        "milestoned": { "erp": "quickbooks", "policy": { "review": "over", "review_over": "50000.00" } } })
}

/// Bodies with which an operation would do something about the contract that lies outside.
fn bodies(method: &str, path: &str) -> Vec<Option<Value>> {
    let bodies = match (method, path) {
        ("put", "/v1/contracts/{id}") => vec![terms(STRANGER)],
        ("post", "/v1/contracts/{id}/amendments") => vec![json!({ "version": 2, "signed": true, "total": "5.00" })],
        ("post", "/v1/contracts/{id}/facts") => {
            vec![json!({ "type": "external_event", "milestone": "M2", "name": "delivery" })]
        }
        ("post", "/v1/contracts/{id}/milestones/{milestone}/review") => {
            vec![json!({ "decision": "hold", "reason": "x" })]
        }
        ("post", "/v1/contracts/{id}/exceptions/overrule") => vec![json!({ "code": "CRM_MISSING", "reason": "x" })],
        ("post", "/v1/acts") => [
            ("approval:FOREIGN-9:M2", "hold"),
            ("pause:contract:FOREIGN-9", "pause"),
            ("pause:customer:Elsewhere Ltd", "pause"),
            ("pause:target:quickbooks", "pause"),
            ("record:1", "note"),
        ]
        .map(|(subject, act)| json!({ "subject": subject, "act": act, "reason": "x" }))
        .to_vec(),
        ("post", "/v1/project-milestones") => {
            vec![json!({ "external_id": "M3", "project_id": "FOREIGN-9", "name": "More",
            "currency_code": "USD", "billing_amount_minor": 100, "recognition_trigger": "DELIVERY" })]
        }
        ("post", "/v1/project-milestones/{id}/acceptance") => vec![json!({ "accepted_by": "x" })],
        ("post", "/v1/closed-dates") => vec![json!({ "through": "2026-01-31", "reason": "x" })],
        ("get", _) => return vec![None],
        _ => vec![json!({})],
    };
    bodies.into_iter().map(Some).collect()
}

/// The address of an operation about the contract that lies outside, with what it must be given.
fn address(path: &str, operation: &Value) -> String {
    let id = if path.starts_with("/v1/project-milestones") { "FOREIGN-9%3AM1" } else { "FOREIGN-9" };
    let filled = path.replace("{id}", id).replace("{milestone}", "M2").replace("{of}", "FOREIGN-9-M1");
    let filled: Vec<&str> = filled.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
    let required = operation["parameters"].as_array().into_iter().flatten();
    let required = required.filter(|one| one["in"] == "query" && one["required"] == true);
    let given: Vec<String> = required.map(|one| format!("{}=2026-03-02", one["name"].as_str().unwrap())).collect();
    format!("{}?{}", filled.join("/"), given.join("&"))
}

/// All that is known of what lies outside.
async fn outside(world: &World) -> (usize, usize, usize) {
    let store = &world.app.env.store;
    let lines = store.audit(Some("FOREIGN-9".into()), 1_000).await.unwrap().len();
    (lines, store.pauses().await.unwrap().len(), store.closed_dates().await.unwrap().len())
}

#[tokio::test]
async fn no_operation_tells_or_does_anything_about_a_contract_outside_of_a_tokens_scope() {
    let world = world().await;
    let (_, description) = world.call("GET", "/openapi.json", BY_CONTRACT, None).await.unwrap();
    let before = outside(&world).await;
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["responses"]["403"].is_object(), "{method} {path} does not say that it may be refused");
            let address = address(path, operation);
            for body in bodies(method, path) {
                for token in [BY_CONTRACT, BY_CUSTOMER] {
                    let method = method.to_uppercase();
                    let (status, said) = world.call(&method, &address, token, body.clone()).await.unwrap();
                    let said = said.to_string();
                    let named = path.contains('{') || method != "GET";
                    assert!(!named || [403, 404].contains(&status), "{method} {address} {body:?}: {status} {said}");
                    // What was asked for is said back where it is not known.
                    let told = status != 404 && (said.contains(STRANGER) || said.contains("FOREIGN-9-M1\""));
                    assert!(status < 500 && !told, "{method} {address}: {said}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 60, "{asked}");
    for list in ["documents", "deliveries", "exceptions", "queue", "audit", "duties"] {
        let asked = format!("/v1/{list}?contract=FOREIGN-9");
        let (status, said) = world.call("GET", &asked, BY_CUSTOMER, None).await.unwrap();
        assert!([403, 404].contains(&status), "{list}: {said}");
    }
    world.settle().await.unwrap();
    assert_eq!(outside(&world).await, before);
    assert_eq!(world.call("GET", "/metrics", BY_CONTRACT, None).await.unwrap().0, 403, "the whole company's");
}

#[tokio::test]
async fn whoever_may_only_look_does_nothing_by_any_operation() {
    let world = world().await;
    let (_, description) = world.call("GET", "/openapi.json", LOOKER, None).await.unwrap();
    let before = outside(&world).await;
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap().iter().filter(|(method, _)| *method != "get") {
            // Whoever looks may write down what they saw. Of a workbook each cell asks for its own right (`journeys::workbook`).
            let looks = |body: &Option<Value>| {
                path.starts_with("/v1/workbook") || body.as_ref().is_some_and(|it| it["act"] == "note")
            };
            for body in bodies(method, path).into_iter().filter(|body| !looks(body)) {
                let address = address(path, operation);
                let (status, said) = world.call(&method.to_uppercase(), &address, LOOKER, body).await.unwrap();
                assert_eq!((status, said["code"].as_str()), (403, Some("FORBIDDEN")), "{method} {address}: {said}");
                asked += 1;
            }
        }
    }
    assert!(asked > 20, "{asked}");
    world.settle().await.unwrap();
    assert_eq!(outside(&world).await, before);
}

#[tokio::test]
async fn within_its_scope_a_token_sees_and_does_what_its_rights_allow() {
    let world = world().await;
    for token in [BY_CONTRACT, BY_CUSTOMER] {
        for list in ["contracts", "documents", "deliveries", "events", "queue", "audit"] {
            let (status, own) = world.call("GET", &format!("/v1/{list}?"), token, None).await.unwrap();
            let (_, all) = world.call("GET", &format!("/v1/{list}?"), ADMIN, None).await.unwrap();
            assert!(status == 200 && own.to_string().contains("OWN-1"), "{list}: {own}");
            assert!(all.to_string().contains("FOREIGN-9") && !own.to_string().contains("FOREIGN-9"), "{list}: {own}");
        }
        for path in ["/v1/contracts/OWN-1", "/v1/project-milestones/OWN-1%3AM1", "/v1/trail/OWN-1-M1", "/v1/plan"] {
            assert_eq!(world.call("GET", path, token, None).await.unwrap().0, 200, "{path}");
        }
    }
    let acts = async |token: &str, subject: &str, act: &str| {
        let body = json!({ "subject": subject, "act": act, "reason": "x" });
        world.call("POST", "/v1/acts", token, Some(body)).await.unwrap().0
    };
    assert_eq!(acts(BY_CONTRACT, "pause:contract:OWN-1", "pause").await, 202);
    assert_eq!(acts(BY_CUSTOMER, "pause:customer:Own Inc", "pause").await, 202);
    assert_eq!(acts(BY_CONTRACT, "pause:customer:Own Inc", "resume").await, 404, "others of the customer are outside");
    let files = async |token: &str, id: &str, customer: &str| {
        world.call("PUT", &format!("/v1/contracts/{id}"), token, Some(terms(customer))).await.unwrap().0
    };
    assert_eq!(files(BY_CUSTOMER, "OWN-2", "Own Inc").await, 201);
    assert_eq!(files(BY_CUSTOMER, "OWN-3", STRANGER).await, 403);
    assert_eq!(files(BY_CUSTOMER, "FOREIGN-9", "Own Inc").await, 403, "it is there already, for another");
    assert_eq!(files(BY_CONTRACT, "OWN-2", "Own Inc").await, 403);
    let order = json!({ "version": 2, "signed": true, "customer": STRANGER });
    let amend =
        async |token| world.call("POST", "/v1/contracts/OWN-1/amendments", token, Some(order.clone())).await.unwrap().0;
    assert_eq!((amend(BY_CONTRACT).await, amend(BY_CUSTOMER).await), (403, 403), "it would be billed to another");
}
