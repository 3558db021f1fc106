//! Journeys through servers that nobody here wrote: Redmine tells what was accepted, Tryton takes what is billed. What is
//! compared in the end is what its books show, read apart from the connector.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use jiff::ToSpan as _;
use milestoned_kill::daemon::Program;
use milestoned_kill::servers::journey::{Office, due};
use milestoned_kill::servers::lossy::Lossy;
use milestoned_kill::servers::or_skipped;
use milestoned_kill::servers::redmine::Project;
use milestoned_kill::servers::tryton::Company;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

/// Contracts of the journey.
const CONTRACTS: u32 = 5;

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_milestoned-kill").into())
}

/// Both, or nothing where one of them is not here. One journey at a time: the servers are the slowest part of it.
async fn installed() -> Option<(MutexGuard<'static, ()>, Project, Company)> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    let project = or_skipped(Project::make(&cache), "Redmine", "MILESTONED_REQUIRE_REDMINE");
    let company = or_skipped(Company::make(&cache), "Tryton", "MILESTONED_REQUIRE_TRYTON");
    project.zip(company).map(|(project, company)| (alone, project, company))
}

/// Amounts of a contract; each has its own, so that one that is missing or doubled shows.
fn amounts(number: u32) -> [u32; 2] {
    [40_000 + number, 60_000 + number]
}

fn id(number: u32) -> String {
    format!("SOW-{number}")
}

fn customer(number: u32) -> String {
    format!("Customer {}", number % 2)
}

/// One of them is a payment term of Tryton's, of the other the due date is written.
fn net(number: u32) -> i32 {
    if number.is_multiple_of(2) { 30 } else { 45 }
}

/// An invoice as the books show it.
fn invoice(number: u32, milestone: usize, state: &str, day: jiff::civil::Date) -> String {
    let (amount, name) = (amounts(number)[milestone], ["Design", "Build"][milestone]);
    let due = due(day, net(number)).unwrap();
    let (id, customer, place) = (id(number), customer(number), milestone + 1);
    format!("invoice {id}-M{place} {state} {customer} {amount}.00 due {due} [2.3.9 {amount}.00 {name}]")
}

/// A revenue entry as the books show it.
fn entry(number: u32, milestone: usize, day: jiff::civil::Date) -> String {
    let amount = amounts(number)[milestone];
    let name = format!("{}-{}J", id(number), day.strftime("%Y%m%d"));
    format!("general move {name} posted {day} [2.3.9 +{amount}.00, 4.1.2 -{amount}.00]")
}

/// A payment as the books show it.
fn payment(number: u32, amount: u32, day: jiff::civil::Date) -> String {
    format!("cash move {}-M1 posted {day} [1.1.1 +{amount}.00, 1.2.1 -{amount}.00]", id(number))
}

fn status(contract: &Value, milestone: usize) -> &str {
    contract["report"]["milestones"][milestone]["status"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_was_accepted_in_redmine_is_billed_in_tryton_once_whatever_kills_the_daemon() {
    let (Some((_alone, project, company)), program) = (installed().await, program()) else { return };
    let (redmine, tryton) = (project.serve().await.unwrap(), company.serve().await.unwrap());
    let mut office = Office::open(&program, redmine, tryton, None).unwrap();
    let (_, said) = office.command(&["check"]).unwrap();
    let about_them = |line: &&str| line.contains("connections.redmine") || line.contains("connections.tryton");
    let wrong = said.lines().filter(about_them).filter(|line| !line.contains("the secret stands in the file"));
    assert_eq!(wrong.collect::<Vec<_>>(), [] as [&str; 0], "{said}");

    // The first day: five contracts, whose designs are accepted.
    let first = office.today();
    let mut issues = Vec::new();
    for number in 0..CONTRACTS {
        let terms = format!("net {}", net(number));
        office.file(&id(number), &customer(number), &terms, amounts(number)).unwrap();
        let design = office.redmine.issue(&id(number), "M1", &amounts(number)[0].to_string()).await.unwrap();
        let build = office.redmine.issue(&id(number), "M2", &amounts(number)[1].to_string()).await.unwrap();
        office.accept(&design).await.unwrap();
        issues.push([design, build]);
    }
    office.kill(10).await.unwrap();
    let daemon = office.daemon().unwrap();
    office.held("-M1 posted", 5).await.unwrap();
    // One is paid, and half of another.
    office.tryton.accountant("pay", &["SOW-0-M1", "40000.00", &first.to_string()]).unwrap();
    office.tryton.accountant("pay", &["SOW-1-M1", "20000.00", &first.to_string()]).unwrap();
    office.says("/v1/contracts/SOW-0", |said| status(said, 0) == "paid").await.unwrap();
    let half = |said: &Value| said["report"]["position"]["cash"] == "20000.00" && status(said, 0) == "invoiced";
    office.says("/v1/contracts/SOW-1", half).await.unwrap();
    drop(daemon);

    // The second day: revenue of the first is entered, and then what was built is accepted.
    office.next_day().unwrap();
    let second = office.today();
    office.kill(3).await.unwrap();
    let daemon = office.daemon().unwrap();
    office.held("J posted", 5).await.unwrap();
    drop(daemon);
    for [_, build] in &issues {
        office.accept(build).await.unwrap();
    }
    office.kill(5).await.unwrap();
    let daemon = office.daemon().unwrap();
    office.held("-M2 posted", 5).await.unwrap();
    let shown = |said: &str| said.starts_with("invoiced SOW-2-M1, due ");
    office.shown(&issues[2][0], shown).await.unwrap();
    drop(daemon);

    // The third day: revenue of the second.
    office.next_day().unwrap();
    office.kill(2).await.unwrap();
    let daemon = office.daemon().unwrap();
    office.held("J posted", 10).await.unwrap();
    office.look_again().await;

    let mut wanted: Vec<String> =
        ["party Customer 0", "party Customer 1", "party Dunder Mifflin"].map(Into::into).into();
    wanted.extend([payment(0, 40_000, first), payment(1, 20_000, first)]);
    for number in 0..CONTRACTS {
        wanted.push(invoice(number, 0, if number == 0 { "paid" } else { "posted" }, first));
        wanted.push(invoice(number, 1, "posted", second));
        wanted.extend([entry(number, 0, first), entry(number, 1, second)]);
    }
    wanted.sort();
    assert_eq!(office.tryton.books().unwrap(), wanted);
    assert_eq!(office.kills, 20);
    drop(daemon);
    for check in [["audit", "verify"], ["replay", "--check"]] {
        let (content, said) = office.command(&check).unwrap();
        assert!(content, "{check:?}: {said}");
    }
}

#[tokio::test]
async fn an_answer_of_tryton_that_is_lost_is_looked_up_and_never_two() {
    let (Some((_alone, project, company)), program) = (installed().await, program()) else { return };
    let (redmine, tryton) = (project.serve().await.unwrap(), company.serve().await.unwrap());
    let way = Lossy::to(&tryton.server.url).await.unwrap();
    let mut office = Office::open(&program, redmine, tryton, Some(&way.url)).unwrap();
    office.file("SOW-0", "Customer 0", "net 30", amounts(0)).unwrap();
    let issue = office.redmine.issue("SOW-0", "M1", "40000").await.unwrap();
    // A customer, a draft, and what posts it: each is made, and nobody hears of it.
    let models = ["party.party", "account.invoice", "account.invoice/1/post", "account.move", "account.move/2/post"];
    models.iter().for_each(|model| way.lose(&format!("POST /company/rest/model/{model}?")));
    models.iter().for_each(|model| way.lose(&format!("POST /company/rest/model/{model} ")));
    office.accept(&issue).await.unwrap();
    let daemon = office.daemon().unwrap();
    office.held("invoice SOW-0-M1 posted", 1).await.unwrap();
    let first = office.today();
    office.next_day().unwrap();
    let books = office.held("J posted", 1).await.unwrap();
    let mut wanted = ["party Customer 0", "party Dunder Mifflin"].map(String::from).to_vec();
    wanted.extend([invoice(0, 0, "posted", first), entry(0, 0, first)]);
    wanted.sort();
    assert_eq!(books, wanted);
    assert_eq!(way.left(), models.len(), "one of two spellings of each request was met");
    drop(daemon);
}

#[tokio::test]
async fn an_invoice_that_is_cancelled_in_tryton_by_hand_is_noticed_and_not_written_again() {
    let (Some((_alone, project, company)), program) = (installed().await, program()) else { return };
    let (redmine, tryton) = (project.serve().await.unwrap(), company.serve().await.unwrap());
    let office = Office::open(&program, redmine, tryton, None).unwrap();
    office.file("SOW-0", "Customer 0", "net 30", amounts(0)).unwrap();
    let issue = office.redmine.issue("SOW-0", "M1", "40000").await.unwrap();
    office.accept(&issue).await.unwrap();
    let daemon = office.daemon().unwrap();
    office.held("invoice SOW-0-M1 posted", 1).await.unwrap();
    office.says("/v1/contracts/SOW-0", |said| status(said, 0) == "invoiced").await.unwrap();
    office.tryton.accountant("cancel", &["SOW-0-M1"]).unwrap();
    let noticed = |said: &Value| said.to_string().contains("DOCUMENT_VOIDED");
    office.says("/v1/exceptions?contract=SOW-0", noticed).await.unwrap();
    office.look_again().await;
    let books = office.tryton.books().unwrap();
    let of_it: Vec<&String> = books.iter().filter(|line| line.starts_with("invoice SOW-0-M1 ")).collect();
    assert!(matches!(of_it.as_slice(), [one] if one.contains(" cancelled ")), "{books:#?}");
    drop(daemon);
}

/// Whether something is told under a code, with these words.
fn told(said: &Value, code: &str, words: &str) -> bool {
    let told = said.as_array().into_iter().flatten();
    told.filter(|one| one["code"] == code).any(|one| one.to_string().contains(words))
}

#[tokio::test]
async fn what_an_accountant_writes_in_tryton_by_hand_is_told_and_nothing_follows_from_it() {
    let (Some((_alone, project, company)), program) = (installed().await, program()) else { return };
    let (redmine, tryton) = (project.serve().await.unwrap(), company.serve().await.unwrap());
    let mut office = Office::open(&program, redmine, tryton, None).unwrap();
    for number in 0..2 {
        office.file(&id(number), &customer(number), "net 30", amounts(number)).unwrap();
        let issue = office.redmine.issue(&id(number), "M1", &amounts(number)[0].to_string()).await.unwrap();
        office.accept(&issue).await.unwrap();
    }
    let day = office.today().to_string();
    let daemon = office.daemon().unwrap();
    office.held("-M1 posted", 2).await.unwrap();
    for number in 0..2 {
        office.says(&format!("/v1/contracts/{}", id(number)), |said| status(said, 0) == "invoiced").await.unwrap();
    }
    for (verb, arguments) in [
        ("write_off", ["SOW-0-M1", "10.00", &day].as_slice()),
        ("credit", &["SOW-1-M1", &day]),
        ("sell", &["Customer 0", "7000.00", &day]),
        ("defer", &["Customer 0", "300.00", &day]),
    ] {
        office.tryton.accountant(verb, arguments).unwrap();
    }
    for (number, code, words) in [
        (0, "WRITTEN_OFF", "10 USD off SOW-0-M1"),
        (1, "CREDITED_BY_HAND", "40001 USD off SOW-1-M1"),
        (0, "DOCUMENT_UNASSIGNED", "to deferred revenue 7000"),
        (0, "ENTRY_UNASSIGNED", "debit deferred_revenue 300"),
    ] {
        let exceptions = format!("/v1/exceptions?contract={}", id(number));
        office.says(&exceptions, |said| told(said, code, words)).await.unwrap();
    }
    // Nothing follows: what was written off is no money, and what was credited is still billed.
    let cash = async |number: u32| {
        let said = office.says(&format!("/v1/contracts/{}", id(number)), |_| true).await.unwrap();
        said["report"]["position"]["cash"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!([cash(0).await, cash(1).await], ["39990.00", "0.00"]);
    let books = office.tryton.books().unwrap();
    assert_eq!(books.iter().filter(|line| line.starts_with("invoice SOW-")).count(), 2, "{books:#?}");
    office.tryton.accountant("void_all", &["Workshop"]).unwrap();
    let closes = |code: &'static str| move |said: &Value| said.is_array() && !told(said, code, "");
    office.says("/v1/exceptions?contract=SOW-0", closes("DOCUMENT_UNASSIGNED")).await.unwrap();
    drop(daemon);
    for (from, to, wanted) in [("Customer 1", "Customer One", true), ("Customer One", "Customer 1", false)] {
        office.tryton.accountant("rename", &[from, to]).unwrap();
        office.next_day().unwrap();
        let daemon = office.daemon().unwrap();
        let renamed = |said: &Value| said.is_array() && told(said, "CUSTOMER_RENAMED", "Customer One") == wanted;
        office.says("/v1/exceptions?contract=SOW-1", renamed).await.unwrap();
        drop(daemon);
    }
}

#[tokio::test]
async fn the_close_ties_out_with_trytons_own_ledger_and_names_each_entry_of_a_difference() {
    let (Some((_alone, project, company)), program) = (installed().await, program()) else { return };
    let (redmine, tryton) = (project.serve().await.unwrap(), company.serve().await.unwrap());
    let mut office = Office::open(&program, redmine, tryton, None).unwrap();
    office.file("SOW-0", "Customer 0", "net 30", amounts(0)).unwrap();
    let issue = office.redmine.issue("SOW-0", "M1", "40000").await.unwrap();
    office.accept(&issue).await.unwrap();
    let first = office.today();
    let daemon = office.daemon().unwrap();
    office.held("invoice SOW-0-M1 posted", 1).await.unwrap();
    office.tryton.accountant("pay", &["SOW-0-M1", "15000.00", &first.to_string()]).unwrap();
    let paid = |said: &Value| said["report"]["position"]["cash"] == "15000.00";
    office.says("/v1/contracts/SOW-0", paid).await.unwrap();
    drop(daemon);
    office.next_day().unwrap();
    let daemon = office.daemon().unwrap();
    office.held("J posted", 1).await.unwrap();
    drop(daemon);
    office.on(first.last_of_month().checked_add(35.days()).unwrap()).unwrap();
    let _daemon = office.daemon().unwrap();
    let month = first.strftime("%Y-%m").to_string();
    let tied = async || {
        let said = office.prepare(&month).await.unwrap();
        let rows = said["figures"]["tables"]["Tie-out"].as_array().cloned().unwrap_or_default();
        let row = |row: &Value| {
            ["Account", "In our books", "In the ledger", "Difference"]
                .map(|name| row[name].as_str().unwrap().to_owned())
        };
        (rows.iter().map(row).collect::<Vec<_>>(), said)
    };
    let (rows, said) = tied().await;
    let wanted = [
        ["Accounts receivable", "25000.00", "25000.00", "0.00"],
        ["Contract liability", "0.00", "0.00", "0.00"],
        ["Revenue", "-40000.00", "-40000.00", "0.00"],
    ];
    assert_eq!(rows, wanted.map(|row| row.map(String::from)), "{said:#}");
    // What an accountant books by hand, and no contract knows, is named.
    office.tryton.accountant("book", &["7.50", &first.to_string()]).unwrap();
    let (_, said) = tied().await;
    let differences = said["figures"]["tables"]["Differences"].as_array().unwrap();
    assert!(matches!(differences.as_slice(), [one] if one["Difference"] == "-7.50"), "{differences:#?}");
}
