//! What finance does on the pages: many approvals at once, each by itself; what is stuck is assigned and looked at later; lists are
//! taken away as files; and what pages show is what the store says at that moment.

use std::io::Cursor;

use calamine::{Reader, Xlsx};
use milestoned_tests::{ADMIN, REVIEWER, VIEWER, World};
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};

/// Contracts of which each has one milestone of this amount that waits for an approval.
async fn waiting(world: &World, amounts: &[(&str, &str)]) {
    for (id, amount) in amounts {
        let terms = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": amount, "signed_on": "2026-03-02",
            "obligations": [{ "id": "services", "ssp": amount, "method": "output" }],
            "milestones": [{ "id": "M1", "name": "Design", "amount": amount, "completion": "external_event" }],
            "milestoned": { "erp": "quickbooks", "policy": { "review": "all" } } });
        assert_eq!(world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap().0, 201);
        let fact = json!({ "type": "external_event", "milestone": "M1", "name": "delivery" });
        let (status, _) = world.call("POST", &format!("/v1/contracts/{id}/facts"), ADMIN, Some(fact)).await.unwrap();
        assert_eq!(status, 202);
    }
    world.settle().await.unwrap();
}

/// A page, or what a form leads to: status, text, and where it leads.
pub(super) async fn browse(
    world: &World,
    token: &str,
    path: &str,
    form: Option<&[(&str, &str)]>,
) -> (u16, Vec<u8>, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = format!("{}{path}", world.url);
    let request = match form {
        None => client.get(url),
        Some(fields) => {
            let mut query = reqwest::Url::parse("http://form/").unwrap();
            query.query_pairs_mut().extend_pairs(fields);
            let body = query.query().unwrap_or_default().to_owned();
            client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        }
    };
    let session = world.session(token).await.unwrap();
    let request = request.header(COOKIE, session).header("origin", world.origin()).header(ACCEPT, "text/html");
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let location = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (status, answer.bytes().await.unwrap().to_vec(), location)
}

pub(super) async fn page(world: &World, path: &str) -> String {
    let (status, body, _) = browse(world, ADMIN, path, None).await;
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

async fn send(world: &World, path: &str, form: &[(&str, &str)]) -> (u16, String, String) {
    let (status, body, location) = browse(world, REVIEWER, path, Some(form)).await;
    (status, String::from_utf8(body).unwrap(), location)
}

/// Values of the fields of this name, in the order of the page.
fn fields(page: &str, name: &str) -> Vec<String> {
    let begins = format!("name=\"{name}\" value=\"");
    page.split(&begins)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|text| text.replace("&#38;", "&"))
        .collect()
}

#[tokio::test]
async fn many_are_approved_one_by_one_and_what_has_changed_since_it_was_shown_is_left_alone() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    waiting(&world, &[("A", "100.00"), ("B", "200.00"), ("C", "300.00")]).await;
    let (status, looked, _) =
        send(&world, "/bulk", &[("act", "approve"), ("all", "yes"), ("filter", "part=approvals")]).await;
    assert!(status == 200 && looked.contains("600.00 USD") && looked.contains("invoice B-M1 of 200.00"), "{looked}");
    assert_eq!(world.held("quickbooks"), [], "what was only looked at is not done");
    let rows = fields(&looked, "row");
    assert_eq!(rows.len(), 3, "{looked}");
    let order =
        json!({ "version": 2, "signed": true, "total": "250.00", "change": [{ "id": "M1", "amount": "250.00" }] });
    assert_eq!(world.call("POST", "/v1/contracts/B/amendments", ADMIN, Some(order)).await.unwrap().0, 202);
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    let mut form: Vec<(&str, &str)> = rows.iter().map(|row| ("row", row.as_str())).collect();
    form.push(("act", "approve"));
    let (status, done, _) = send(&world, "/bulk/act", &form).await;
    assert!(status == 200 && done.contains("2 done, 1 not"), "{done}");
    assert!(done.contains("not eligible</span>, because: it is not what was shown any more"), "{done}");
    world.settle().await.unwrap();
    let mut held = world.held("quickbooks");
    held.sort();
    assert_eq!(held, [("A-M1".to_owned(), "100.00".to_owned()), ("C-M1".to_owned(), "300.00".to_owned())]);
    let queue = page(&world, "/queue?part=approvals").await;
    assert!(queue.contains("Approve 250.00 USD") && !queue.contains("Approve 100.00 USD"), "{queue}");
    form.extend((0..500).map(|_| ("row", rows[0].as_str())));
    let (status, told, _) = send(&world, "/bulk/act", &form).await;
    assert!(status == 422 && told.contains("at most 500"), "{told}");
}

#[tokio::test]
async fn what_is_stuck_is_found_by_filters_assigned_and_looked_at_on_a_date() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    waiting(&world, &[("A", "100.00"), ("B", "20000.00")]).await;
    let queue = page(&world, "/queue?amount=1000&customer=Northwind+Ltd&erp=quickbooks").await;
    assert!(queue.contains("Approve 20,000.00 USD") && !queue.contains("Approve 100.00 USD"), "{queue}");
    assert!(page(&world, "/queue?q=nobody").await.contains("Nothing here matches the filter"));
    let subject = "approval:B:M1";
    let (status, _, next) =
        send(&world, "/act", &[("subject", subject), ("act", "assign"), ("to", "dana"), ("next", "/queue?owner=dana")])
            .await;
    assert_eq!((status, next.as_str()), (303, "/queue?owner=dana"));
    let row = &fields(&page(&world, &next).await, "row")[0];
    let (_, looked, _) = send(&world, "/bulk", &[("act", "snooze"), ("row", row)]).await;
    assert!(looked.contains("Snooze 1 of 1"), "{looked}");
    send(&world, "/bulk/act", &[("act", "snooze"), ("row", row), ("until", "2026-04-01"), ("next", "/queue")]).await;
    let case = page(&world, "/case/approval:B:M1").await;
    assert!(case.contains("dana looks after it") && case.contains("next review 2026-04-01"), "{case}");
    assert!(!page(&world, "/queue?owner=dana&awake=yes").await.contains("Approve 20,000.00 USD"));
    let (status, _, next) = send(&world, "/views", &[("name", "Dana’s"), ("filter", "owner=dana")]).await;
    assert_eq!((status, next.as_str()), (303, "/queue?owner=dana"));
    assert!(page(&world, "/queue").await.contains("<a href=\"/queue?owner=dana\">Dana’s <b>1</b></a>"));
}

#[tokio::test]
async fn a_case_shows_the_legs_with_their_records_the_clause_and_what_would_be_written() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.deal("SOW-1", "41000.00").unwrap();
    world.settle().await.unwrap();
    let case = page(&world, "/case/exception:SOW-1:AMOUNT_MISMATCH::crm").await;
    assert!(case.contains("<td class=\"differs\">41,000.00 <b class=\"mark\">differs</b></td>"), "{case}");
    assert!(
        case.contains(&format!("<a href=\"{}/", world.simulators.url("salesforce"))),
        "the vendor's own page: {case}"
    );
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    waiting(&world, &[("A", "100.00")]).await;
    let case = page(&world, "/case/approval:A:M1").await;
    for words in ["invoice A-M1", "due 2026-04-01: net 30 from the invoice", "external_event", "system event"] {
        assert!(case.contains(words), "{words}: {case}");
    }
    let contract = page(&world, "/contracts/SOW-1").await;
    assert!(contract.contains("https://docs.example/signed.pdf") || contract.contains("AMOUNT_MISMATCH"), "{contract}");
    let (status, _, _) = browse(&world, ADMIN, "/case/approval:A:M9", None).await;
    assert_eq!(status, 404, "what does not wait has no page");
}

#[tokio::test]
async fn a_link_to_what_waits_no_more_says_what_it_was_and_who_ended_it_when() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    waiting(&world, &[("A", "100.00")]).await;
    world.contract("SOW-1", "quickbooks").unwrap();
    world.deal("SOW-1", "41000.00").unwrap();
    world.settle().await.unwrap();
    let (_, items) = world.call("GET", "/v1/queue?kind=approval", REVIEWER, None).await.unwrap();
    let approve = json!({ "subject": "approval:A:M1", "act": "approve", "shown": items[0]["shown"] });
    assert_eq!(world.call("POST", "/v1/acts", REVIEWER, Some(approve)).await.unwrap().0, 202);
    world.at("2026-03-05T09:00:00Z").unwrap();
    let overrule =
        [("subject", "exception:SOW-1:AMOUNT_MISMATCH::crm"), ("act", "overrule"), ("reason", "agreed by mail")];
    assert_eq!(send(&world, "/act", &overrule).await.0, 303);
    world.settle().await.unwrap();
    for (subject, words) in [
        ("approval:A:M1", ["milestone approved by rob, 2026-03-02", "waits for nobody any more"]),
        ("exception:SOW-1:AMOUNT_MISMATCH::crm", ["exception overruled by rob, 2026-03-05", "agreed by mail"]),
        (
            "exception:SOW-1:AMOUNT_MISMATCH::crm",
            ["open from 2026-03-02 to 2026-03-05", "40,000.00 agreed; 41,000.00 seen"],
        ),
    ] {
        let case = page(&world, &format!("/case/{subject}")).await;
        assert!(words.iter().all(|word| case.contains(word)), "{words:?}: {case}");
    }
    for unknown in ["approval:A:M9", "exception:SOW-1:CURRENCY_MISMATCH::crm", "delivery:none", "fact:4711"] {
        assert_eq!(browse(&world, ADMIN, &format!("/case/{unknown}"), None).await.0, 404, "{unknown}");
    }
}

#[tokio::test]
async fn a_list_is_taken_away_with_what_it_is_and_the_trail_says_who_took_it() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    waiting(&world, &[("A", "100.10"), ("B", "200.20")]).await;
    let note = [("subject", "approval:A:M1"), ("act", "note"), ("reason", "=HYPERLINK(\"http://evil.example\")")];
    send(&world, "/act", &note).await;
    let (status, csv, _) = browse(&world, VIEWER, "/export/queue.csv?part=approvals", None).await;
    let csv = String::from_utf8(csv).unwrap();
    assert!(status == 200 && csv.contains("'=HYPERLINK") && csv.contains(",100.10,100.10,USD,"), "{csv}");
    let (_, xlsx, _) = browse(&world, VIEWER, "/export/queue.xlsx?part=approvals", None).await;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(xlsx)).unwrap();
    let about = book.worksheet_range("About").unwrap();
    let said = |name: &str| about.rows().find(|row| row[0] == name).map(|row| row[1].to_string()).unwrap_or_default();
    let told = [said("Rows"), said("Sum of Held, counted once USD"), said("Asked by"), said("Filter")];
    assert_eq!(told, ["2", "300.30", "vic", "To approve"]);
    let lines = world.app.env.store.audit(None, 10).await.unwrap();
    let line = lines.iter().rev().find(|line| line.action == "list exported").unwrap();
    assert!(line.actor == "vic" && line.detail.contains(&said("SHA-256 of the rows as CSV")), "{}", line.detail);
    let (status, body, _) = browse(&world, VIEWER, "/export/documents.csv?q=A", None).await;
    assert!(status == 200 && String::from_utf8_lossy(&body).contains("Stands there as"), "a contract's documents");
    let (status, body, _) = browse(&world, ADMIN, "/export/secrets.csv", None).await;
    assert_eq!(status, 404, "{}", String::from_utf8_lossy(&body));
}

#[tokio::test]
async fn pages_show_what_holds_now_and_what_time_alone_will_bill() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": "900.00", "signed_on": "2026-03-02",
        "obligations": [{ "id": "services", "ssp": "900.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Kick-off", "amount": "900.00", "trigger": "date", "trigger_date": "2026-04-15" }],
        "milestoned": { "erp": "quickbooks" } });
    let (status, said) = world.call("PUT", "/v1/contracts/A", ADMIN, Some(terms)).await.unwrap();
    assert_eq!(status, 201, "{said}");
    world.settle().await.unwrap();
    assert!(page(&world, "/outlook?month=next").await.contains("A-M1"));
    assert!(!page(&world, "/outlook").await.contains("A-M1"));
    assert!(page(&world, "/").await.contains("900.00"));
    world.at("2026-04-16T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(page(&world, "/receivables").await.contains("A-M1"), "it is invoiced now");
    let found = page(&world, "/contracts?q=a-m1").await;
    assert!(found.contains("href=\"/contracts/A\""), "a contract is found by the number of its invoice: {found}");
    assert!(page(&world, "/receivables?part=overdue").await.contains("Nothing is overdue"));
    world.at("2026-06-16T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert!(page(&world, "/").await.contains("overdue invoice"), "thirty days are over");
    let customer = page(&world, "/customers/Northwind%20Ltd").await;
    assert!(customer.contains("/contracts/A") && customer.contains("900.00"), "{customer}");
}

#[tokio::test]
async fn who_may_not_approve_sees_no_button_and_is_refused() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    waiting(&world, &[("A", "100.00")]).await;
    let (_, queue, _) = browse(&world, VIEWER, "/queue", None).await;
    let queue = String::from_utf8(queue).unwrap();
    assert!(!queue.contains("value=\"approve") && queue.contains("value=\"assign\""), "{queue}");
    let row = &fields(&queue, "row")[0];
    for path in ["/bulk", "/bulk/act"] {
        let (status, _, _) = browse(&world, VIEWER, path, Some(&[("act", "approve"), ("row", row)])).await;
        assert_eq!(status, 403, "{path}");
    }
    let waits: Value = world.call("GET", "/v1/queue?kind=approval", VIEWER, None).await.unwrap().1;
    assert_eq!(waits.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_contract_as_of_a_date_is_a_page_with_two_answers_and_a_question_without_one_says_why() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let terms = json!({ "customer": "Northwind Ltd", "currency": "USD", "total": "900.00", "signed_on": "2026-03-02",
        "timezone": "America/New_York", "milestones": [{ "id": "M_1", "name": "Kick-off", "amount": "900.00" }],
        "milestoned": { "erp": "quickbooks" } });
    assert_eq!(world.call("PUT", "/v1/contracts/A", ADMIN, Some(terms)).await.unwrap().0, 201);
    world.at("2026-04-02T09:00:00Z").unwrap();
    let accepted = json!({ "type": "accepted", "milestone": "M_1", "on": "2026-03-28", "by": "c", "document": "https://d.example" });
    assert_eq!(world.call("POST", "/v1/contracts/A/facts", ADMIN, Some(accepted)).await.unwrap().0, 202);
    world.settle().await.unwrap();
    assert!(page(&world, "/contracts/A").await.contains("/contracts/A/as-of"));
    let of_march = async |rest: &str| page(&world, &format!("/contracts/A/as-of?date=2026-03-31{rest}")).await;
    let (now, then) = (of_march("&known_by=").await, of_march("&known_by=2026-03-31T20:00").await);
    assert!(now.contains("with what is known now") && now.contains("<td>M_1</td><td>accepted</td>"), "{now}");
    assert!(then.contains("with what was known at 2026-03-31 20:00:00 EDT"), "{then}");
    assert!(then.contains("<td>M_1</td><td>pending</td>"), "{then}");
    for (asked, why) in [
        ("date=2026-05-01", "2026-05-01 had not come"),
        ("date=soon", "write one such as 2026-03-31"),
        ("known_by=noon", "a time there such as 2026-04-01T09:00"),
    ] {
        assert!(page(&world, &format!("/contracts/A/as-of?{asked}")).await.contains(why), "{asked}");
    }
    assert_eq!(browse(&world, VIEWER, "/contracts/B/as-of", None).await.0, 404);
    // Days on which nothing happened to the contract have come all the same.
    world.at("2026-04-20T09:00:00Z").unwrap();
    let today = page(&world, "/contracts/A/as-of").await;
    assert!(
        today.contains("at the end of 2026-04-20") && today.contains("nothing was decided about it after"),
        "{today}"
    );
}

#[tokio::test]
async fn times_and_today_are_those_of_the_reader() {
    let world = World::start("2026-03-02T20:00:00Z").await.unwrap();
    let (status, text, _) = send(&world, "/zone", &[("zone", "Mars/Olympus")]).await;
    assert!(status == 422 && text.contains("no time zone"), "{text}");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let session = world.session(ADMIN).await.unwrap();
    let form = client.post(format!("{}/zone", world.url)).header(COOKIE, &session).header("origin", world.origin());
    let kept = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body("zone=Asia%2FTokyo").send().await;
    let kept = kept.unwrap().headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let read = async |path: &str| {
        let asked = client.get(format!("{}{path}", world.url)).header(COOKIE, format!("{session}; {kept}"));
        asked.send().await.unwrap().text().await.unwrap()
    };
    assert!(page(&world, "/").await.contains("2026-03-02"));
    assert!(read("/").await.contains("2026-03-03"), "it is the next day in Tokyo");
    assert!(read("/sessions").await.contains("2026-03-03 05:00 JST"));
    waiting(&world, &[("A", "100.00")]).await;
    assert!(read("/trail?of=fact:1").await.contains("2026-03-03 05:00 JST"));
    // A file says both times, and which is which.
    let audit = read("/export/audit.csv?q=A").await;
    assert!(audit.contains("Line,\"Time, UTC\",\"Time, Asia/Tokyo\",Who"), "{audit}");
    assert!(audit.contains("T20:00:") && audit.contains(",2026-03-03 05:00:"), "{audit}");
    assert!(
        !String::from_utf8(browse(&world, ADMIN, "/export/audit.csv?q=A", None).await.1).unwrap().contains("Tokyo")
    );
}

/// The fields of a page's form with what stands in them, and some with something else in them.
fn filled<'a>(page: &'a str, with: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    let plain = |text: &str| text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'");
    let attribute = |tag: &str, name: &str| {
        tag.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).map(plain)
    };
    let mut fields = Vec::new();
    for tag in page.split("<input ").skip(1).filter_map(|rest| rest.split('>').next()) {
        let chosen = !tag.contains("type=\"checkbox\"") || tag.contains(" checked");
        if let (Some(name), true) = (attribute(tag, "name"), chosen) {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    for select in page.split("<select ").skip(1).filter_map(|rest| rest.split("</select>").next()) {
        let value = select.split("<option ").find(|option| option.contains(" selected"));
        fields.push((
            attribute(select, "name").unwrap(),
            value.and_then(|one| attribute(one, "value")).unwrap_or_default(),
        ));
    }
    fields.retain(|(name, _)| name != "q" && !with.iter().any(|(other, _)| other == name));
    fields.extend(with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

async fn sent(world: &World, token: &str, path: &str, fields: &[(String, String)]) -> (u16, String, String) {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (status, body, location) = browse(world, token, path, Some(&fields)).await;
    (status, String::from_utf8(body).unwrap(), location)
}

#[tokio::test]
async fn a_contract_is_written_in_a_form_with_every_problem_at_its_field_and_filed_like_a_file() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let empty = page(&world, "/filing/new?template=pilot").await;
    let begun = [("id", "F-1"), ("customer", "Northwind Ltd"), ("total", "1000,00"), ("milestoned.erp", "quickbooks")];
    let (status, told, _) =
        sent(&world, ADMIN, "/filing/new", &filled(&empty, &[&begun[..], &[("do", "check")]].concat())).await;
    assert!(
        status == 200 && told.contains("data-problem=\"total\">\"1000,00\" ")
            || told.contains("data-problem=\"total\">&#34;1000,00"),
        "{told}"
    );
    let right = [("total", "1000.00"), ("obligations[0].ssp", "1000.00")];
    let fields = filled(&told, &[&right[..], &[("do", "problems")]].concat());
    let (status, problems, _) = sent(&world, ADMIN, "/filing/new", &fields).await;
    assert_eq!((status, problems.as_str()), (200, "[]"), "what a script is told");
    let fields = filled(&told, &[&right[..], &[("do", "file")]].concat());
    assert_eq!(sent(&world, VIEWER, "/filing/new", &fields).await.0, 403);
    let (status, said, next) = sent(&world, ADMIN, "/filing/new", &fields).await;
    assert_eq!((status, next.as_str()), (303, "/contracts/F-1"), "{said}");
    let (_, view) = world.call("GET", "/v1/contracts/F-1", VIEWER, None).await.unwrap();
    assert_eq!(view["summary"]["total"], "1000.00", "{view}");
    let (status, told, _) = sent(
        &world,
        ADMIN,
        "/filing/new",
        &filled(&told, &[("total", "2000.00"), ("obligations[0].ssp", "2000.00"), ("do", "file")]),
    )
    .await;
    assert!(status == 200 && told.contains("F-1 is filed already, with other terms"), "{told}");
}

#[tokio::test]
async fn a_change_order_is_filed_as_its_effect_was_shown_and_as_nothing_else() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    waiting(&world, &[("A", "100.00")]).await;
    let form = page(&world, "/filing/change/A").await;
    let path = "/filing/change/A";
    let change = [("total", "120.00"), ("milestones[0].amount", "120.00"), ("signed", "yes")];
    let (_, shown, _) = sent(&world, ADMIN, path, &filled(&form, &[&change[..], &[("do", "check")]].concat())).await;
    assert!(shown.contains("<td class=\"num\">100.00</td><td class=\"num differs\">120.00</td>"), "{shown}");
    let seen = &fields(&shown, "seen")[0];
    let other =
        filled(&shown, &[("total", "130.00"), ("milestones[0].amount", "130.00"), ("signed", "yes"), ("do", "file")]);
    let (status, again, _) = sent(&world, ADMIN, path, &other).await;
    assert!(
        status == 200 && again.contains("130.00") && fields(&again, "seen")[0] != *seen,
        "another one is shown first"
    );
    let wrong = filled(&shown, &[("milestones[0].amount", "1,5"), ("do", "check")]);
    let (_, told, _) = sent(&world, ADMIN, path, &wrong).await;
    assert!(told.contains("data-problem=\"milestones[0].amount\">") && told.contains("1 problem;"), "{told}");
    let (status, said, next) = sent(&world, ADMIN, path, &filled(&shown, &[("do", "file")])).await;
    assert_eq!((status, next.as_str()), (303, "/contracts/A"), "{said}");
    let waits = page(&world, path).await;
    assert!(waits.contains("1 change order of this contract waits") && waits.contains("would be version 3"), "{waits}");
    assert_eq!(world.approve_orders(REVIEWER).await.unwrap()[0].0, 202);
    let contract = page(&world, "/contracts/A").await;
    assert!(contract.contains("100.00 → 120.00") && contract.contains("version 2"), "{contract}");
    let correction = page(&world, "/filing/change/A?kind=correction").await;
    assert!(correction.contains("name=\"on\" value=\"2026-03-02\""), "it holds from the signature on: {correction}");
}

#[tokio::test]
async fn every_list_is_a_file_and_the_trail_is_for_who_may_read_it() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let issue = world.contract("SOW-1", "quickbooks").unwrap();
    world.settle().await.unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.deal("SOW-1", "41000.00").unwrap();
    world.settle().await.unwrap();
    for (list, said) in [
        ("contracts", "SOW-1,Northwind Ltd,quickbooks,USD,40000.00"),
        ("milestones", "SOW-1,M1,Northwind Ltd,USD,Design"),
        ("documents", "SOW-1-M1,invoice,SOW-1,M1,Northwind Ltd"),
        ("receivables", "SOW-1-M1,SOW-1,M1,Northwind Ltd"),
        ("payments", "Date,Payment,Invoice"),
        ("journal", "SOW-1,Northwind Ltd,quickbooks,accounts receivable,USD,40000.00,"),
        ("exceptions", "AMOUNT_MISMATCH,SOW-1,,crm"),
        ("queue", "AMOUNT_MISMATCH"),
        ("outlook", "Number,Kind"),
        ("audit", "document issued"),
    ] {
        let (status, csv, _) = browse(&world, ADMIN, &format!("/export/{list}.csv?q=SOW-1"), None).await;
        let csv = String::from_utf8(csv).unwrap();
        assert!(status == 200 && csv.contains(said), "{list}: {csv}");
        let (_, xlsx, _) = browse(&world, ADMIN, &format!("/export/{list}.xlsx?q=nothing-is-called-so"), None).await;
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(xlsx)).unwrap();
        let about = book.worksheet_range("About").unwrap();
        assert!(about.rows().any(|row| row[0] == "Version of the rules") && about.rows().any(|row| row[0] == "Rows"));
    }
    assert_eq!(browse(&world, VIEWER, "/export/audit.csv", None).await.0, 403);
}

/// Ids of contracts, or what else a row leads to, in the order of a page.
async fn rows(world: &World, path: &str) -> Vec<String> {
    let text = page(world, path).await;
    let opened = text.split("<a data-open href=\"").skip(1);
    opened.filter_map(|rest| Some(rest.split_once('>')?.1.split('<').next()?.to_owned())).collect()
}

#[tokio::test]
async fn lists_are_sorted_by_what_somebody_asks_for_and_receivables_are_summed_by_customer_and_age() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for (id, customer, amount) in [("A", "Zuse KG", "100.00"), ("B", "Ada Ltd", "300.00"), ("C", "Ada Ltd", "200.00")] {
        let terms = json!({ "customer": customer, "currency": "USD", "total": amount, "signed_on": "2026-03-02",
            "obligations": [{ "id": "services", "ssp": amount, "method": "output" }], "milestoned": { "erp": "quickbooks" },
            "milestones": [{ "id": "M1", "name": "Kick-off", "amount": amount, "trigger": "date", "trigger_date": "2026-03-03" }] });
        assert_eq!(world.call("PUT", &format!("/v1/contracts/{id}"), ADMIN, Some(terms)).await.unwrap().0, 201);
    }
    world.settle().await.unwrap();
    world.at("2026-05-10T09:00:00Z").unwrap();
    world.settle().await.unwrap();
    assert_eq!(rows(&world, "/contracts").await, ["A", "B", "C"]);
    assert_eq!(rows(&world, "/contracts?sort=total").await, ["B", "C", "A"]);
    assert_eq!(rows(&world, "/contracts?sort=customer").await, ["B", "C", "A"]);
    assert!(page(&world, "/contracts?sort=total").await.contains("aria-sort=\"descending\""));
    assert_eq!(rows(&world, "/receivables?sort=open").await, ["B-M1", "C-M1", "A-M1"]);
    assert_eq!(rows(&world, "/receivables?part=customers").await, ["Ada Ltd", "Zuse KG"]);
    let (_, csv, _) = browse(&world, VIEWER, "/export/receivables.csv?part=customers", None).await;
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains("Ada Ltd,USD,0.00,0.00,500.00,0.00,0.00,500.00"), "{csv}");
    let (_, csv, _) = browse(&world, VIEWER, "/export/contracts.csv?sort=total", None).await;
    assert!(String::from_utf8(csv).unwrap().lines().nth(1).unwrap().starts_with("B,"), "a file is sorted as its page");
    for path in ["/contracts?sort=colour", "/receivables?sort=remaining", "/export/contracts.csv?sort=colour"] {
        assert_eq!(browse(&world, VIEWER, path, None).await.0, 422, "{path}");
    }
}

#[tokio::test]
async fn a_month_of_which_nothing_is_known_yet_is_not_said_to_bill_nothing() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    for (month, status) in [("2026-03", 200), ("2026-09", 200), ("2026-10", 422), ("2026-02", 422), ("march", 422)] {
        let (told, body, _) = browse(&world, VIEWER, &format!("/outlook?month={month}"), None).await;
        assert_eq!(told, status, "{month}: {}", String::from_utf8_lossy(&body));
    }
}
