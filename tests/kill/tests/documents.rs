//! Signed documents through the real binary, whose reader is a process of its own: from the file on a won deal to the filed
//! contract, and an upload that takes longer than anybody waits for.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::process::Command;
use std::time::{Duration, Instant};

use milestoned_kill::daemon::{Daemon, Program, call, client};
use milestoned_kill::world::{World, pause};
use milestoned_tests::fields;
use serde_json::json;

/// Its rows make up the price.
fn statement_of_work() -> String {
    include_str!("../../../documents/tests/statement-of-work.md").replace("50,000", "60,000")
}

/// Somebody at the pages of a daemon.
struct Visitor {
    url: String,
    cookie: String,
}

impl Visitor {
    /// Signs in with a link, as the command prints it.
    async fn enter(world: &World, program: &Program) -> Self {
        let rights = "view,file_terms";
        let (_, said) = program.ask(world, &["people", "link", "dora@vendor.example", "--rights", rights]).unwrap();
        assert!(said.contains("code="), "{said}");
        let code = said.split("code=").nth(1).unwrap().split_whitespace().next().unwrap();
        let following = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(following).no_proxy().build().unwrap();
        let answer = client.get(format!("{}/sign-in/link?code={code}", world.url())).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { url: world.url(), cookie }
    }

    async fn page(&self, path: &str) -> String {
        let asked = client().unwrap().get(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        asked.send().await.unwrap().text().await.unwrap()
    }

    /// What the next page tells, which a cookie carries there.
    async fn post(&self, path: &str, kind: &str, body: String) -> String {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.timeout(Duration::from_secs(60)).build().unwrap();
        let asked = client.post(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        let asked = asked.header("origin", "https://milestoned.example").header("content-type", kind);
        let answer = asked.body(body).send().await.unwrap();
        let told = answer.headers().get("set-cookie").map(|told| told.to_str().unwrap().replace("%20", " "));
        told.unwrap_or_default() + &answer.text().await.unwrap()
    }

    async fn submit(&self, path: &str, form: &[(&str, &str)]) -> String {
        let mut query = reqwest::Url::parse("http://form/").unwrap();
        query.query_pairs_mut().extend_pairs(form);
        self.post(path, "application/x-www-form-urlencoded", query.query().unwrap().to_owned()).await
    }

    /// The list of documents, as soon as it says this.
    async fn list_says(&self, words: &str) -> String {
        let begin = Instant::now();
        loop {
            let page = self.page("/documents").await;
            if page.contains(words) {
                return page;
            }
            assert!(begin.elapsed() < Duration::from_secs(120), "{page}");
            pause(Duration::from_millis(50)).await;
        }
    }
}

/// What stands between two texts, at each place.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

fn plain(text: &str) -> String {
    let signs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    signs.iter().fold(text.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

#[tokio::test]
async fn a_file_on_a_won_deal_is_read_confirmed_and_filed_with_its_words() {
    let world = World::start(None).await.unwrap();
    let asked = std::fs::read_to_string(world.config()).unwrap();
    let wanted = asked.replace("kind = \"salesforce\"\n", "kind = \"salesforce\"\ndocuments = true\n");
    assert_ne!(asked, wanted);
    std::fs::write(world.config(), wanted).unwrap();
    let org = &world.simulators.salesforce;
    let account = org.put("account", "Account", "northwind", fields(json!({ "Name": "Northwind Ltd" }))).unwrap();
    let deal = json!({
        "Name": "SOW-2041", "AccountId": account, "StageName": "Closed Won", "CloseDate": "2026-03-02", "Amount": "100000.00",
        "CurrencyIsoCode": "USD", "SOW_Number__c": "SOW-2041", "Payment_Terms__c": "net 45",
    });
    let deal = org.put("deal", "Opportunity", "SOW-2041", fields(deal)).unwrap();
    let file =
        json!({ "PathOnClient": "Signed SOW.md", "VersionData": statement_of_work(), "FirstPublishLocationId": deal });
    org.put("file", "ContentVersion", "", fields(file)).unwrap();

    let program = Program::at(env!("CARGO_BIN_EXE_milestoned-kill").into());
    let mut daemon = Daemon::start(&world, &program, None).unwrap();
    assert!(daemon.accepting(Duration::from_secs(60)).await.is_some(), "the daemon does not answer");
    let visitor = Visitor::enter(&world, &program).await;
    let list = visitor.list_says("Signed SOW.md").await;
    let path = format!("/documents/{}", between(&list, "href=\"/documents/", "\"")[0]);
    let page = visitor.page(&path).await;
    let values: Vec<(String, String)> = between(&page, "name=\"path\" value=\"", "</form>")
        .into_iter()
        .map(|form| {
            let value = between(form, "<input name=\"value\" value=\"", "\"").first().copied().unwrap_or_default();
            (plain(form.split('"').next().unwrap()), plain(value))
        })
        .collect();
    assert!(values.contains(&("milestones.M2.amount".into(), "60000.00".into())), "{values:?}");
    for (name, value) in &values {
        let verdict = if value.is_empty() { "reject" } else { "confirm" };
        let form = [("path", name.as_str()), ("value", value), ("verdict", verdict), ("seen", "")];
        visitor.submit(&format!("{path}/value"), &form).await;
    }
    let filed = visitor.submit(&format!("{path}/file"), &[("erp", "netsuite"), ("owner", "")]).await;
    assert!(filed.contains("SOW-2041 is filed from Signed SOW.md"), "{filed}");
    let (status, contract) = call(&world.url(), "GET", "/v1/contracts/SOW-2041", "", None).await.unwrap();
    assert_eq!(status, 200);
    assert!(contract.to_string().contains("60000.00"), "{contract}");
    assert!(visitor.page("/contracts/SOW-2041").await.contains("60,000</q>"), "the contract shows the words");
    assert!(visitor.list_says("SOW-2041").await.contains("salesforce"), "who brought it");
}

/// The process that reads a document for this daemon.
fn reading(daemon: u32) -> Option<String> {
    let parent = format!(" {daemon} ");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let ours = stat.rsplit(')').next()?.contains(&parent) && command.contains("read-document");
        ours.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

#[tokio::test]
async fn an_upload_that_takes_longer_than_anybody_waits_goes_on_by_itself() {
    let world = World::start(None).await.unwrap();
    let program = Program::at(env!("CARGO_BIN_EXE_milestoned-kill").into());
    let mut daemon = Daemon::start(&world, &program, None).unwrap();
    assert!(daemon.accepting(Duration::from_secs(60)).await.is_some(), "the daemon does not answer");
    let visitor = Visitor::enter(&world, &program).await;
    // Large enough that its process can be stopped before it has answered.
    let long = format!(
        "{}\n{}",
        statement_of_work(),
        "Nothing of this paragraph is about money or about time.\n\n".repeat(60_000)
    );
    let head = "--part\r\ncontent-disposition: form-data; name=\"document\"; filename=\"Long SOW.md\"\r\n\r\n";
    let body = format!("{head}{long}\r\n--part--\r\n");
    let answer = visitor.post("/documents", "multipart/form-data; boundary=part", body);
    let begin = Instant::now();
    let stopping = async {
        loop {
            assert!(begin.elapsed() < Duration::from_secs(60), "no process reads it");
            if let Some(process) = reading(daemon.id()) {
                signal("-STOP", &process);
                break process;
            }
            pause(Duration::from_millis(1)).await;
        }
    };
    let (said, process) = tokio::join!(answer, stopping);
    assert!(said.contains("Long SOW.md is still being read"), "{said}");
    signal("-CONT", &process);
    let list = visitor.list_says("href=\"/documents/").await;
    assert!(list.contains("Long SOW.md"), "{list}");
}
