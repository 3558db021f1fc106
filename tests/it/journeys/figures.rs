//! One figure says one thing: what home, queue, lists, reports, the close, the workbook, the API, the metrics and the mail show of a
//! generated company is compared, figure by figure.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use milestoned_tests::{ADMIN, World};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::pages::{browse, page};

const CUSTOMERS: [&str; 3] = ["Northwind Ltd", "Contoso Research", "Fabrikam AG"];
const CONTRACTS: u64 = 9;

/// What each surface says of a figure.
#[derive(Default)]
struct Said(BTreeMap<&'static str, Vec<(String, Decimal)>>);

impl Said {
    fn say(&mut self, figure: &'static str, surface: &str, value: Decimal) {
        self.0.entry(figure).or_default().push((surface.to_owned(), value.normalize()));
    }

    /// Fails with all that was said of the figures of which two surfaces say different things.
    fn agree(&self) {
        let differ = |said: &Vec<(String, Decimal)>| said.iter().any(|(_, value)| *value != said[0].1);
        let wrong: Vec<_> = self.0.iter().filter(|(_, said)| differ(said)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(self.0.values().all(|said| said.len() > 1), "one surface alone compares nothing: {:#?}", self.0);
        let shown = self.0.values().filter(|said| !said[0].1.is_zero()).count();
        assert!(shown >= 8, "most figures are nothing: {:#?}", self.0);
    }
}

fn decimal(text: &str) -> Decimal {
    text.replace(',', "").trim().parse().map_err(|_| text).unwrap()
}

/// Amounts of a company: each seed has others.
fn amount(seed: u64, contract: u64, milestone: u64) -> Decimal {
    let mixed =
        (seed * 1_000_003 + contract * 7_919 + milestone * 104_729).wrapping_mul(6_364_136_223_846_793_005) >> 33;
    Decimal::new(i64::try_from(10_000 + mixed % 900_000).unwrap(), 2)
}

/// Nine contracts: one milestone is billed in advance, one when it is accepted, one on a date; every third waits for approvals.
async fn filed(world: &World, seed: u64) {
    for number in 0..CONTRACTS {
        let id = format!("C-{number}");
        let amounts: Vec<Decimal> = (0..3).map(|milestone| amount(seed, number, milestone)).collect();
        let total = amounts.iter().sum::<Decimal>().to_string();
        let date = if number % 2 == 0 { "2026-06-12" } else { "2026-07-15" };
        let terms = json!({
            "customer": CUSTOMERS[usize::try_from(number % 3).unwrap()], "currency": "USD", "total": total,
            "signed_on": "2026-03-02", "obligations": [{ "id": "services", "ssp": total, "method": "output" }],
            "milestones": [
                { "id": "M1", "name": "Design", "amount": amounts[0].to_string(), "timing": "advance" },
                { "id": "M2", "name": "Build", "amount": amounts[1].to_string() },
                { "id": "M3", "name": "Run", "amount": amounts[2].to_string(), "trigger": "date", "trigger_date": date },
            ],
            "milestoned": { "erp": if number % 2 == 0 { "netsuite" } else { "quickbooks" },
                "policy": { "review": if number % 3 == 2 { "all" } else { "none" } } },
        });
        let (status, said) = world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap();
        assert_eq!(status, 201, "{said}");
        // One deal in three says another price.
        let deal = if number % 3 == 1 { "1.00".to_owned() } else { total };
        world.deal(&id, &deal).unwrap();
    }
    world.settle().await.unwrap();
}

async fn accepted(world: &World, number: u64) {
    let fact =
        json!({ "type": "accepted", "milestone": "M2", "by": "c@customer.example", "document": "https://d.example" });
    let path = format!("/v1/contracts/C-{number}/facts");
    assert_eq!(world.call("POST", &path, ADMIN, Some(fact)).await.unwrap().0, 202);
}

/// Three months of a company: acceptances, payments in full and in part, one that is taken back by nobody.
pub(super) async fn company(seed: u64) -> World {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    filed(&world, seed).await;
    world.at("2026-03-20T09:00:00Z").unwrap();
    accepted(&world, 0).await;
    accepted(&world, 2).await;
    world.settle().await.unwrap();
    world.simulators.netsuite.pay("p0", "C-0-M1", &amount(seed, 0, 0).to_string(), "2026-03-24").unwrap();
    world.simulators.quickbooks.pay("p3", "C-3-M1", "40.00", "2026-03-25").unwrap();
    world.at("2026-05-11T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    for number in [3, 6] {
        accepted(&world, number).await;
    }
    world.settle().await.unwrap();
    world.simulators.netsuite.pay("p6", "C-6-M1", "25.50", "2026-05-20").unwrap();
    world.simulators.quickbooks.pay("p3b", "C-3-M1", "10.00", "2026-05-21").unwrap();
    world.at("2026-06-01T13:00:00Z").unwrap();
    world.settle().await.unwrap();
    world.settle().await.unwrap();
    world
}

/// Rows of a sheet, each by its heads.
fn sheet(file: Vec<u8>, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut book: Xlsx<_> = Reader::new(Cursor::new(file)).unwrap();
    let range = book.worksheet_range(name).map_err(|error| (name, error)).unwrap();
    let text = |cell: &Data| cell.to_string();
    let mut rows = range.rows();
    let heads: Vec<String> = rows.next().unwrap().iter().map(text).collect();
    rows.map(|row| heads.iter().cloned().zip(row.iter().map(text)).collect()).collect()
}

async fn export(world: &World, path: &str) -> Vec<BTreeMap<String, String>> {
    let name = path.split('.').next().unwrap();
    let (status, file, _) = browse(world, ADMIN, &format!("/export/{path}"), None).await;
    assert_eq!(status, 200, "{path}");
    sheet(file, name)
}

/// The sum of a column of rows; of the rows that a test keeps.
fn sum(rows: &[BTreeMap<String, String>], column: &str, keep: impl Fn(&BTreeMap<String, String>) -> bool) -> Decimal {
    let kept = rows.iter().filter(|row| keep(row)).map(|row| row[column].as_str());
    kept.filter(|text| !text.is_empty()).map(decimal).sum()
}

fn is_in(row: &BTreeMap<String, String>, column: &str, month: &str) -> bool {
    row[column].starts_with(month)
}

/// The text between two others, behind a place.
fn between<'a>(text: &'a str, behind: &str, from: &str, to: &str) -> &'a str {
    let rest = &text[text.find(behind).ok_or((behind, text)).unwrap() + behind.len()..];
    let rest = &rest[rest.find(from).unwrap() + from.len()..];
    let inner = &rest[..rest.find(to).unwrap()];
    inner.rsplit('>').next().unwrap()
}

/// What home says: its figures, the cards, and May in its trends.
async fn home(world: &World, said: &mut Said) {
    let html = page(world, "/").await;
    for (figure, name) in [
        ("to bill in June", "To bill this month"),
        ("to bill in July", "To bill next month"),
        ("deferred", "Deferred"),
        ("overdue", "Overdue"),
        ("unbilled", "Unbilled"),
    ] {
        let of_it = between(&html, &format!("<dt>{name}</dt>"), "<dd>", "</dd>");
        let link = between(&html, &format!("<dt>{name}</dt>"), "<dd>", "<").len();
        let text = if of_it.is_empty() && link == 0 {
            between(&html, &format!("<dt>{name}</dt>"), "\">", "</a>")
        } else {
            of_it
        };
        said.say(figure, "home", decimal(text));
    }
    for (figure, title) in [
        ("billed in May", "Billed by month"),
        ("recognised in May", "Revenue by month"),
        ("collected in May", "Collected by month"),
        ("deferred", "Deferred revenue at month’s end"),
        ("receivable", "Receivables at month’s end"),
    ] {
        let chart = &html[html.find(&format!("<caption class=\"sr\">{title}")).unwrap()..];
        said.say(figure, "home, trend of May", decimal(between(chart, "May 2026</th>", "<td class=\"num\">", "</td>")));
    }
    for (count, held, card) in
        [("to approve", "to approve, held", "approvals"), ("blocked", "blocked, held", "blocked")]
    {
        let card = &html[html.find(&format!("/queue?part={card}\"")).unwrap()..];
        said.say(count, "home", decimal(between(card, "", "<b>", "</b>")));
        said.say(held, "home", decimal(between(card, "", "<small>", " USD")));
    }
    said.say("overdue invoices", "home", decimal(between(&html, "/receivables?part=overdue", "<b>", "</b>")));
}

/// What the queue says: its tabs, its file, the API, and the metrics.
async fn queue(world: &World, said: &mut Said) {
    let html = page(world, "/queue").await;
    for (count, held, part, title) in [
        ("to approve", "to approve, held", "approvals", "To approve"),
        ("blocked", "blocked, held", "blocked", "Blocked"),
    ] {
        let tab = &html[html.find(&format!(">{title} <b>")).unwrap()..];
        said.say(count, "tab of the queue", decimal(between(tab, "", "<b>", "</b>")));
        said.say(held, "tab of the queue", decimal(between(tab, "", "<small>", " USD")));
        let rows = export(world, &format!("queue.xlsx?part={part}")).await;
        said.say(count, "queue.xlsx", rows.len().into());
        said.say(held, "queue.xlsx", sum(&rows, "Held, counted once", |_| true));
    }
    let (_, items) = world.call("GET", "/v1/queue?kind=approval", ADMIN, None).await.unwrap();
    said.say("to approve", "GET /v1/queue", items.as_array().unwrap().len().into());
    let (_, metrics) = world.call("GET", "/metrics", ADMIN, None).await.unwrap();
    for (figure, kind) in [("to approve", "approval"), ("blocked", "exception")] {
        let line = format!("milestoned_queue{{kind=\"{kind}\",severity=\"blocking\"}} ");
        said.say(figure, "/metrics", decimal(between(&format!("{}\n", metrics.as_str().unwrap()), &line, "", "\n")));
    }
    let mails = world.simulators.mail.messages();
    let mail = mails.iter().rfind(|mail| mail.to.iter().any(|to| to == "finance@vendor.example")).unwrap();
    let mail = mail.raw.replace("=\r\n", "");
    said.say("to approve", "mail", decimal(between(&mail, "To approve: ", "", " invoice")));
    said.say("to approve, held", "mail", decimal(between(&mail, "To approve: ", ", ", " USD")));
}

/// What lists and reports say.
async fn lists(world: &World, said: &mut Said) {
    let contracts = export(world, "contracts.xlsx").await;
    said.say("deferred", "contracts.xlsx", sum(&contracts, "Deferred", |_| true));
    said.say("to approve", "contracts.xlsx", sum(&contracts, "To approve", |_| true));
    let (receivables, overdue) =
        (export(world, "receivables.xlsx").await, export(world, "receivables.xlsx?part=overdue").await);
    said.say("receivable", "receivables.xlsx", sum(&receivables, "Open", |_| true));
    said.say("overdue", "receivables.xlsx", sum(&overdue, "Open", |_| true));
    said.say("overdue invoices", "receivables.xlsx", overdue.len().into());
    let documents = export(world, "documents.xlsx").await;
    said.say("billed in May", "documents.xlsx", sum(&documents, "Amount", |row| is_in(row, "Date", "2026-05")));
    let payments = export(world, "payments.xlsx").await;
    said.say("collected in May", "payments.xlsx", sum(&payments, "Applied", |row| is_in(row, "Date", "2026-05")));
    let forecast = export(world, "forecast.xlsx").await;
    for (figure, asked, month) in [("to bill in June", "this", "2026-06"), ("to bill in July", "next", "2026-07")] {
        let outlook = export(world, &format!("outlook.xlsx?month={asked}")).await;
        said.say(figure, "outlook.xlsx", sum(&outlook, "Amount", |_| true));
        let is_of_it = |row: &BTreeMap<String, String>| row["What"] == "to bill" && row["Month"] == month;
        said.say(figure, "forecast.xlsx", sum(&forecast, "Amount", is_of_it));
    }
    let ageing = page(world, "/receivables").await;
    said.say("receivable", "/receivables, by age", decimal(between(&ageing, "Open amounts by age", "<b>", "</b>")));
}

/// What the workbook says.
async fn workbook(world: &World, said: &mut Said) {
    let client = reqwest::Client::new();
    let answer = client.get(format!("{}/v1/workbook", world.url)).bearer_auth(ADMIN).send().await.unwrap();
    let file = answer.bytes().await.unwrap().to_vec();
    said.say("receivable", "workbook", sum(&sheet(file.clone(), "Receivables"), "Open", |_| true));
    let to_bill = sheet(file, "To bill");
    let waits = |row: &BTreeMap<String, String>| row["Why"] == "waits for an approval";
    said.say("to approve", "workbook", to_bill.iter().filter(|row| waits(row)).count().into());
    said.say("to approve, held", "workbook", sum(&to_bill, "Amount", waits));
    for (figure, month) in [("to bill in June", "2026-06"), ("to bill in July", "2026-07")] {
        let by_date = |row: &BTreeMap<String, String>| row["Why"].ends_with("by date") && is_in(row, "Date", month);
        said.say(figure, "workbook", sum(&to_bill, "Amount", by_date));
    }
}

/// What the close of May and the contracts of the API say. Nothing has happened since.
async fn books(world: &World, said: &mut Said) {
    let (status, close) = world.call("PUT", "/v1/closes/2026-05", ADMIN, None).await.unwrap();
    assert_eq!(status, 200, "{close}");
    let sums = &close["figures"]["tables"]["Sums"][0];
    for (figure, column) in [
        ("billed in May", "Accounts receivable, billed"),
        ("receivable", "Accounts receivable, closing"),
        ("deferred", "Contract liability, closing"),
        ("recognised in May", "Revenue of the month"),
    ] {
        said.say(figure, "close", decimal(sums[column].as_str().unwrap()));
    }
    said.say("collected in May", "close", -decimal(sums["Accounts receivable, collected"].as_str().unwrap()));
    let of = |sheet: &str, column: &str| -> Decimal {
        let rows = close["figures"]["tables"][sheet].as_array().unwrap().iter();
        rows.map(|row| decimal(row[column].as_str().unwrap())).sum()
    };
    said.say("unbilled", "close", of("Unbilled", "Unbilled receivable") + of("Unbilled", "Contract asset"));
    let mut deferred = Decimal::ZERO;
    for number in 0..CONTRACTS {
        let (_, contract) = world.call("GET", &format!("/v1/contracts/C-{number}"), ADMIN, None).await.unwrap();
        let position: &Value = &contract["report"]["position"];
        deferred += decimal(position["deferred_revenue"].as_str().unwrap());
    }
    said.say("deferred", "GET /v1/contracts", deferred);
}

#[tokio::test]
async fn every_surface_says_the_same_of_a_generated_company() {
    for seed in [3, 17] {
        let world = company(seed).await;
        let mut said = Said::default();
        home(&world, &mut said).await;
        queue(&world, &mut said).await;
        lists(&world, &mut said).await;
        workbook(&world, &mut said).await;
        books(&world, &mut said).await;
        said.agree();
    }
}
