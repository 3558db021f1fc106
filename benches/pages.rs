//! The pages over a large portfolio: home, queue, search, a case and a contract, each asked for again after a contract has
//! changed; and one act about five hundred things.
//!
//! A lot of twenty contracts goes through the daemon's own verbs; it is multiplied within the database, as rows.
//!
//! `cargo bench -p milestoned-benches --bench pages -- 50000`

mod lots;

use std::time::Instant;

use milestoned_tests::{ADMIN, World};
use reqwest::header::{CONTENT_TYPE, COOKIE};
use serde_json::json;

use lots::multiply;

/// Contracts of the lot.
const LOT: usize = 20;
/// Requests for each page.
const ROUNDS: usize = 40;
/// Things that one act is about.
const MANY: usize = 500;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let wanted: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(50_000);
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for number in 0..LOT {
        file(&world, number).await;
    }
    world.settle().await.unwrap();
    let path = world.app.env.settings.store.path.clone();
    multiply(&path, wanted / LOT, COPY);
    let session = world.session(ADMIN).await.unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = async |path: &str| {
        let begun = Instant::now();
        let answer = client.get(format!("{}{path}", world.url)).header(COOKIE, &session).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.unwrap();
        (begun.elapsed().as_secs_f64() * 1e3, text)
    };
    let (first, _) = get("/").await;
    println!("{wanted} contracts; the first page reads all of them: {first:.0} ms");
    println!("| page | p50 | p95 | bytes |\n|---|---|---|---|");
    let pages = [
        "/",
        "/queue",
        "/queue?part=approvals&sort=amount&page=50",
        "/queue?q=LOT-3",
        "/contracts?q=LOT-3",
        "/case/approval:LOT-0:M1",
        "/contracts/LOT-0",
        "/receivables",
        "/outlook?month=next",
    ];
    for page in pages {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            change(&world, round).await;
            let (time, text) = get(page).await;
            times.push(time);
            bytes = text.len();
        }
        times.sort_by(f64::total_cmp);
        println!("| {page} | {:.0} ms | {:.0} ms | {bytes} |", times[ROUNDS / 2], times[ROUNDS * 95 / 100]);
    }
    many(&world, &client, &session).await;
}

/// A contract whose first milestone waits for an approval, and whose second is billed by a date.
async fn file(world: &World, number: usize) {
    let amount = format!("{}.00", 1_000 + number);
    let total = format!("{}.00", 2 * (1_000 + number));
    let milestone = |id: &str, trigger: serde_json::Value| {
        let mut table = json!({ "id": id, "name": "Delivery", "amount": amount });
        table.as_object_mut().unwrap().extend(trigger.as_object().unwrap().clone());
        table
    };
    let terms = json!({ "customer": format!("Customer {number}"), "currency": "USD", "total": total, "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": total, "method": "output" }],
        "milestones": [milestone("M1", json!({ "completion": "external_event" })),
            milestone("M2", json!({ "trigger": "date", "trigger_date": "2026-04-15" }))],
        "milestoned": { "erp": "quickbooks", "policy": { "review": "all" } } });
    let path = format!("/v1/contracts/LOT-{number}");
    assert_eq!(world.call("PUT", &path, ADMIN, Some(terms)).await.unwrap().0, 201);
    let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
    assert_eq!(world.call("POST", &format!("{path}/facts"), ADMIN, Some(fact)).await.unwrap().0, 202);
}

const COPY: &str = "
INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, wake_at, planned_documents,
    journal_through, legs_changed, revision, customer)
  SELECT 'L' || n || substr(id, 4), replace(agreement, 'LOT-', 'L' || n || '-'), digest, source, opened_on, opened_at,
  replace(state, 'LOT-', 'L' || n || '-'), history, as_of, wake_at, planned_documents, journal_through, legs_changed, revision,
  customer FROM lot, contract WHERE id LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO approval (contract, milestone, since, amount, currency, shown, void)
  SELECT 'L' || n || substr(contract, 4), milestone, since, amount, currency, shown, void FROM lot, approval
  WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO fact (contract, identity, at, effective_at, learned_at, fact, actor, position, problem)
  SELECT 'L' || n || substr(contract, 4), identity, at, effective_at, learned_at, fact, actor, position, problem
  FROM lot, fact WHERE contract LIKE 'LOT-%' ORDER BY n, id;
DROP TRIGGER audit_keeps_chained;
UPDATE audit SET attests = NULL;
UPDATE audit_head SET sealed = '';
";

/// Somebody decides something about one contract.
async fn change(world: &World, round: usize) {
    let subject = format!("approval:LOT-{}:M1", round % LOT);
    let note = json!({ "subject": subject, "act": "note", "reason": format!("looked at it {round} times") });
    let (status, said) = world.call("POST", "/v1/acts", ADMIN, Some(note)).await.unwrap();
    assert_eq!(status, 202, "{said}");
}

/// One act about many things, as the page does it.
async fn many(world: &World, client: &reqwest::Client, session: &str) {
    let send = async |path: &str, form: Vec<(String, String)>| {
        let mut url = reqwest::Url::parse("http://form/").unwrap();
        url.query_pairs_mut().extend_pairs(form);
        let request = client.post(format!("{}{path}", world.url)).body(url.query().unwrap_or_default().to_owned());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(COOKIE, session);
        let begun = Instant::now();
        let text = request.header("origin", world.origin()).send().await.unwrap().text().await.unwrap();
        (begun.elapsed().as_secs_f64() * 1e3, text)
    };
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    // Copies are not attested: they are looked at, and nothing is decided about them.
    let act = "note";
    let all = vec![field("act", act), field("all", "yes"), field("filter", "part=approvals")];
    let (looked, page) = send("/bulk", all).await;
    let rows: Vec<String> =
        page.split("name=\"row\" value=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(Into::into).collect();
    assert_eq!(rows.len(), MANY);
    let mut form: Vec<_> = rows.iter().map(|row| field("row", row)).collect();
    form.extend([field("act", act), field("reason", "all of them")]);
    let (done, page) = send("/bulk/act", form).await;
    assert!(page.contains(&format!("{MANY} done, 0 not")), "{act}: {}", &page[..page.len().min(4_000)]);
    println!("{act} {MANY}: looked at in {looked:.0} ms, done in {done:.0} ms");
}
