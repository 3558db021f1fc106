//! Month-end closes: books beside ledgers, to the cent; figures that are signed stay, whatever is learned later.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::process::{Command, Stdio};

use milestoned_seal::is_signed;
use milestoned_tests::{ADMIN, REVIEWER, VIEWER, World, fields};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::pages::browse;

/// A contract of each ERP; both are accepted in March, invoiced, and paid in part.
async fn march() -> World {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for (id, erp) in [("SOW-1", "netsuite"), ("SOW-2", "quickbooks")] {
        let terms = json!({
            "customer": "Northwind Ltd", "currency": "USD", "total": "100.00", "signed_on": "2026-03-02",
            "obligations": [{ "id": "services", "ssp": "100.00", "method": "output" }], "milestoned": { "erp": erp },
            "milestones": [{ "id": "M1", "name": "Design", "amount": "40.00", "timing": "advance" },
                { "id": "M2", "name": "Build", "amount": "60.00" }],
        });
        assert_eq!(world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap().0, 201);
    }
    world.settle().await.unwrap();
    world.at("2026-03-20T09:00:00Z").unwrap();
    for id in ["SOW-1", "SOW-2"] {
        accepted(&world, id, "M2", "2026-03-20").await;
    }
    world.simulators.netsuite.pay("p1", "SOW-1-M1", "15.00", "2026-03-24").unwrap();
    world.simulators.quickbooks.pay("p2", "SOW-2-M1", "15.00", "2026-03-24").unwrap();
    world.at("2026-04-02T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    world
}

async fn accepted(world: &World, contract: &str, milestone: &str, on: &str) {
    let fact = json!({ "type": "accepted", "milestone": milestone, "on": on, "by": "c@customer.example", "document": "https://d.example" });
    assert_eq!(world.call("POST", &format!("/v1/contracts/{contract}/facts"), ADMIN, Some(fact)).await.unwrap().0, 202);
    world.settle().await.unwrap();
}

async fn prepared(world: &World) -> Value {
    let (status, body) = world.call("PUT", "/v1/closes/2026-03", REVIEWER, None).await.unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

fn rows<'a>(body: &'a Value, table: &str) -> &'a Vec<Value> {
    body["figures"]["tables"][table].as_array().unwrap()
}

async fn signed(world: &World, body: &Value) -> (u16, Value) {
    let open: Vec<&Value> =
        body["steps"].as_array().unwrap().iter().filter(|step| step["found"] != "").map(|step| &step["name"]).collect();
    let sign = json!({ "digest": body["close"]["digest"], "looked_at": open, "reason": "March is done" });
    world.call("POST", "/v1/closes/2026-03/signature", REVIEWER, Some(sign)).await.unwrap()
}

async fn package(world: &World) -> Vec<u8> {
    let client = reqwest::Client::new();
    let url = format!("{}/v1/closes/2026-03/package.zip", world.url);
    let answer = client.get(url).bearer_auth(VIEWER).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

fn file(package: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(package)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn the_ledgers_of_both_erps_tie_out_to_the_cent_and_what_others_posted_is_named() {
    let world = march().await;
    let body = prepared(&world).await;
    let ties = rows(&body, "Tie-out");
    assert!(ties.len() >= 6, "{ties:?}");
    assert!(ties.iter().all(|row| row["Difference"] == "0.00"), "{ties:?}\n{:?}", rows(&body, "Differences"));
    let sums = &rows(&body, "Sums")[0];
    assert_eq!(
        (&sums["Accounts receivable, billed"], &sums["Accounts receivable, collected"]),
        (&json!("200.00"), &json!("-30.00"))
    );
    assert_eq!(sums["Contract liability, closing"], "80.00", "{sums}");
    // Somebody books by hand: revenue in NetSuite, receivables in QuickBooks.
    let lines = json!({ "tranId": "HAND-1", "tranDate": "2026-03-30", "currency": { "id": "1" }, "subsidiary": { "id": "1" }, "line": { "items": [
        { "account": { "id": "122" }, "debit": 7 }, { "account": { "id": "123" }, "credit": 7 }] } });
    world.simulators.netsuite.put_record("hand", "journalEntry", "", fields(lines)).unwrap();
    let line = |account: &str, side: &str| {
        json!({ "Amount": 3, "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": { "PostingType": side, "AccountRef": { "value": account } } })
    };
    let entry =
        json!({ "DocNumber": "HAND-2", "TxnDate": "2026-03-30", "Line": [line("23", "Debit"), line("79", "Credit")] });
    world.simulators.quickbooks.put_record("hand", "JournalEntry", fields(entry)).unwrap();
    let body = prepared(&world).await;
    for (erp, number, amount) in [("netsuite", "HAND-1", "7.00"), ("quickbooks", "HAND-2", "3.00")] {
        let named = rows(&body, "Differences")
            .iter()
            .find(|row| row["ERP"] == erp && row["Account"] == "Contract liability")
            .unwrap();
        assert_eq!((&named["Number"], &named["Difference"]), (&json!(number), &json!(amount)), "{named}");
        let tie = rows(&body, "Tie-out")
            .iter()
            .find(|row| row["ERP"] == erp && row["Account"] == "Contract liability")
            .unwrap();
        assert_eq!(tie["Difference"], amount, "{tie}");
    }
}

/// Heads of the columns of a page's table.
async fn heads(world: &World, path: &str) -> Vec<String> {
    let session = world.session(REVIEWER).await.unwrap();
    let asked = reqwest::Client::new().get(format!("{}{path}", world.url)).header(reqwest::header::COOKIE, session);
    let page = asked.send().await.unwrap().text().await.unwrap();
    let heads = page.split("<th scope=\"col\"").skip(1).filter_map(|rest| rest.split_once('>')?.1.split('<').next());
    heads.map(Into::into).collect()
}

#[tokio::test]
async fn a_roll_forward_is_read_balance_by_balance() {
    let world = march().await;
    prepared(&world).await;
    let of = async |rest: &str| heads(&world, &format!("/closes/2026-03?part=roll-forward{rest}")).await;
    let named = ["Contract", "Customer", "ERP", "Currency"];
    assert_eq!(of("").await, [&named[..], &["Opening", "Billed", "Collected", "Closing"]].concat());
    let liability = ["Opening", "Billed", "Recognised", "Modifications", "Revenue not billed", "Closing"];
    assert_eq!(of("&of=contract-liability").await, [&named[..], &liability].concat());
    let (_, body) = world.call("GET", "/v1/closes/2026-03", VIEWER, None).await.unwrap();
    assert_eq!(rows(&body, "Roll-forward").len(), 2, "the sheet has all balances of a contract in one row");
    assert_eq!(of("&of=contract-asset").await, Vec::<String>::new(), "nobody has a contract asset");
    let revenue = ["Revenue of the month", "Of it from the opening contract liability"];
    assert_eq!(of("&of=revenue").await, [&named[..], &revenue].concat());
}

#[tokio::test]
async fn signed_figures_stay_byte_for_byte_and_what_is_learned_later_is_an_adjustment() {
    let world = march().await;
    let body = prepared(&world).await;
    let nobody_looked = json!({ "digest": body["close"]["digest"], "looked_at": [], "reason": "March is done" });
    let (status, said) =
        world.call("POST", "/v1/closes/2026-03/signature", REVIEWER, Some(nobody_looked)).await.unwrap();
    assert!(status == 422 && said["detail"].as_str().unwrap().contains("nobody has looked at"), "{said}");
    let stale = json!({ "digest": "00", "looked_at": [], "reason": "March is done" });
    assert_eq!(world.call("POST", "/v1/closes/2026-03/signature", REVIEWER, Some(stale)).await.unwrap().0, 409);
    let (status, close) = signed(&world, &body).await;
    assert_eq!(status, 201, "{close}");
    let frozen = package(&world).await;
    world.settle().await.unwrap();
    accepted(&world, "SOW-1", "M1", "2026-03-28").await;
    let (status, said) = world.call("PUT", "/v1/closes/2026-03", REVIEWER, None).await.unwrap();
    assert_eq!(status, 409, "{said}");
    assert_eq!(package(&world).await, frozen);
    let (_, found) = world.call("GET", "/v1/closes/2026-03/adjustments", VIEWER, None).await.unwrap();
    let told: Vec<(&Value, &Value)> =
        found.as_array().unwrap().iter().map(|one| (&one["balance"], &one["difference"])).collect();
    assert_eq!(told, [(&json!("Contract liability"), &json!("-40.00")), (&json!("Revenue to date"), &json!("40.00"))]);
    let (_, contract) = world.call("GET", "/v1/contracts/SOW-1", VIEWER, None).await.unwrap();
    let late = contract["report"]["journal"].as_array().unwrap().iter().any(|entry| entry["date"] == "2026-04-02");
    assert!(late, "what is learned of a signed month is booked on the first open date: {contract}");
}

#[tokio::test]
async fn a_package_is_checked_without_milestoned() {
    let world = march().await;
    let body = prepared(&world).await;
    assert_eq!(signed(&world, &body).await.0, 201);
    let package = package(&world).await;
    for line in file(&package, "SHA256SUMS").lines() {
        let (hash, name) = line.split_once("  ").unwrap();
        let mut bytes = Vec::new();
        zip::ZipArchive::new(Cursor::new(&package)).unwrap().by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)), hash, "{name}");
    }
    let told = file(&package, "signature.txt");
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let text = value("signed text: ");
    assert!(is_signed(&value("public key (Ed25519, hex): "), &text, &value("signature (hex): ")));
    assert!(text.ends_with(&hex::encode(<sha2::Sha256 as sha2::Digest>::digest(file(&package, "figures.json")))));
    recomputed(&file(&package, "milestoned-close-2026-03.journal"), &body);
}

/// What Debian's hledger makes of the postings, by account and commodity. Without it the test says so, and there is nothing.
#[expect(clippy::print_stdout, reason = "a test says what it skipped")]
fn added_up(journal: &str) -> Option<BTreeMap<(String, String), Decimal>> {
    let run = Command::new("hledger")
        .args(["-f", "-", "balance", "--flat", "--no-total", "--layout", "bare", "-O", "csv", "--strict"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = run else {
        assert!(std::env::var_os("MILESTONED_REQUIRE_LEDGERS").is_none(), "hledger has to be installed");
        println!("SKIPPED: hledger is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(journal.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{journal}");
    let said = String::from_utf8(output.stdout).unwrap();
    let balance = |line: &str| {
        let [account, commodity, amount] =
            line.trim_matches('"').split("\",\"").collect::<Vec<_>>().try_into().unwrap();
        ((account.to_owned(), commodity.to_owned()), amount.parse().unwrap())
    };
    Some(said.lines().skip(1).map(balance).collect())
}

fn recomputed(journal: &str, body: &Value) {
    let Some(balances) = added_up(journal) else { return };
    for sums in rows(body, "Sums") {
        for (account, column, sign) in [
            ("Assets:AccountsReceivable", "Accounts receivable, closing", 1),
            ("Liabilities:DeferredRevenue", "Contract liability, closing", -1),
        ] {
            let currency = sums["Currency"].as_str().unwrap().to_owned();
            let ours: Decimal = sums[column].as_str().unwrap().parse().unwrap();
            let theirs = balances.get(&(account.to_owned(), currency)).copied().unwrap_or_default();
            assert_eq!(theirs, ours * Decimal::from(sign), "{account}, {sums}: {balances:?}");
        }
    }
}

/// Contracts in yen and in dinars, which have no digits and three behind the point, in May.
#[tokio::test]
async fn yen_and_dinars_tie_out_and_are_recomputed_with_all_their_digits() {
    let world = World::start("2026-05-04T09:00:00Z").await.unwrap();
    let contracts = [
        ("SOW-1", "netsuite", "JPY", ["1000001", "399999", "600002"]),
        ("SOW-2", "quickbooks", "JPY", ["500003", "200001", "300002"]),
        ("SOW-3", "netsuite", "KWD", ["1000.005", "333.335", "666.670"]),
    ];
    for (id, erp, currency, [total, first, second]) in contracts {
        let terms = json!({
            "customer": format!("Customer {currency}"), "currency": currency, "total": total, "signed_on": "2026-05-04",
            "obligations": [{ "id": "services", "ssp": total, "method": "output" }], "milestoned": { "erp": erp },
            "milestones": [{ "id": "M1", "name": "Design", "amount": first, "timing": "advance" },
                { "id": "M2", "name": "Build", "amount": second }],
        });
        let (status, said) = world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap();
        assert_eq!(status, 201, "{said}");
    }
    world.settle().await.unwrap();
    world.at("2026-05-20T09:00:00Z").unwrap();
    for (id, ..) in contracts {
        accepted(&world, id, "M2", "2026-05-20").await;
    }
    world.simulators.netsuite.pay("p1", "SOW-1-M1", "99999", "2026-05-24").unwrap();
    world.simulators.netsuite.pay("p2", "SOW-3-M1", "33.335", "2026-05-24").unwrap();
    world.at("2026-06-02T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    let (status, body) = world.call("PUT", "/v1/closes/2026-05", REVIEWER, None).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let ties = rows(&body, "Tie-out");
    let differing = |row: &&Value| row["Difference"].as_str().unwrap().parse::<Decimal>().unwrap() != Decimal::ZERO;
    assert_eq!(ties.iter().filter(differing).count(), 0, "{ties:?}\n{:?}", rows(&body, "Differences"));
    let of = |currency: &str| rows(&body, "Sums").iter().find(|row| row["Currency"] == currency).unwrap().clone();
    let (yen, dinars) = (of("JPY"), of("KWD"));
    assert_eq!(
        (&yen["Accounts receivable, billed"], &yen["Accounts receivable, closing"]),
        (&json!("1500004"), &json!("1400005"))
    );
    assert_eq!(
        (&dinars["Accounts receivable, closing"], &dinars["Contract liability, closing"]),
        (&json!("966.670"), &json!("333.335"))
    );
    let client = reqwest::Client::new();
    let answer =
        client.get(format!("{}/v1/closes/2026-05/package.zip", world.url)).bearer_auth(VIEWER).send().await.unwrap();
    recomputed(&file(&answer.bytes().await.unwrap(), "milestoned-close-2026-05.journal"), &body);
}

#[tokio::test]
async fn late_payments_reversals_and_acceptances_stand_beside_the_frozen_figures() {
    let world = march().await;
    let body = prepared(&world).await;
    assert_eq!(signed(&world, &body).await.0, 201);
    let (frozen, sums) = (package(&world).await, rows(&body, "Sums")[0].clone());
    world.settle().await.unwrap();
    let adjusted = async || {
        let (_, found) = world.call("GET", "/v1/closes/2026-03/adjustments", VIEWER, None).await.unwrap();
        let told = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            [text("contract"), text("balance"), text("difference")].join(" ")
        };
        found.as_array().unwrap().iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(adjusted().await, Vec::<String>::new(), "nothing was learned yet");
    world.at("2026-04-03T09:00:00Z").unwrap();
    accepted(&world, "SOW-1", "M1", "2026-03-28").await;
    world.simulators.quickbooks.pay("p3", "SOW-2-M1", "5.00", "2026-03-29").unwrap();
    let bounced = world.simulators.netsuite.records("customerPayment")[0].text("id");
    world.simulators.netsuite.delete_record("bounced", "customerPayment", &bounced).unwrap();
    world.at("2026-04-04T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    let told = [
        "SOW-1 Contract liability -40.00",
        "SOW-1 Revenue to date 40.00",
        "SOW-2 Accounts receivable -5.00",
        "SOW-2 Payments to date 5.00",
    ];
    assert_eq!(adjusted().await, told, "what bounced in April is of April");
    let file = async |name: &str| {
        let (status, bytes, _) = browse(&world, VIEWER, &format!("/closes/2026-03/{name}"), None).await;
        (status, String::from_utf8_lossy(&bytes).into_owned())
    };
    let (_, csv) = file("adjustments.csv").await;
    assert!(csv.contains("SOW-1,Contract liability,USD,40.00,0.00,-40.00"), "{csv}");
    let (_, csv) = file("journal.csv").await;
    assert!(csv.contains("invoice,SOW-1-M1,M1,Contract liability,,40.00"), "accounts bear the standard's names: {csv}");
    assert_eq!(file("secrets.csv").await.0, 404);
    assert_eq!(package(&world).await, frozen);
    let (_, after) = world.call("GET", "/v1/closes/2026-03", VIEWER, None).await.unwrap();
    assert_eq!(rows(&after, "Sums")[0], sums);
    world.at("2026-05-02T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    let (status, april) = world.call("PUT", "/v1/closes/2026-04", REVIEWER, None).await.unwrap();
    assert_eq!(status, 200, "{april}");
    let ties = rows(&april, "Tie-out");
    assert!(ties.iter().all(|row| row["Difference"] == "0.00"), "{ties:?}\n{:?}", rows(&april, "Differences"));
}
