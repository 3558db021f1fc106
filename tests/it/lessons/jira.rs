//! Lessons of Jira.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use milestoned_connector_kit::conformance::Conditions;
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{Class, Cursor, Fault, Hook, Probe, Source, WebhookRequest};
use milestoned_jira::Jira;
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mapping::record::{Content, SourceRecord};
use milestoned_mocks::{Deployment, FaultSpec, Person};
use serde_json::{Value, json};

use super::{census, ids, put, read_on};
use crate::conformance::{Desk, Kept, fields, status};

const MAP: &str = include_str!("../../../config/fieldmaps/jira.toml");

/// A simulated site and a connection to it.
struct Site {
    desk: Desk,
    jira: Jira,
    tokens: Arc<Kept>,
}

impl Site {
    async fn start() -> Self {
        Self::with(json!({})).await
    }

    async fn with(changes: Value) -> Self {
        let desk = Desk::open("jira").await;
        let tokens = Arc::new(Kept::default());
        let jira = connect(&desk, changes, &tokens);
        Self { desk, jira, tokens }
    }

    async fn of_app(changes: Value) -> Self {
        let desk = Desk::open("jira").await;
        let tokens = Arc::new(Kept::default());
        let jira = connect(&desk, app(&desk, changes), &tokens);
        Self { desk, jira, tokens }
    }

    async fn data_center() -> Self {
        let site = Self::with(json!({ "auth": { "flow": "bearer", "token": "api-token" } })).await;
        site.desk.simulators.jira.configure(|site| site.deployment = Deployment::Server);
        site
    }

    async fn read(&self, cursor: &mut Cursor) -> Vec<SourceRecord> {
        self.desk.advance(SignedDuration::from_mins(10));
        self.try_read(cursor).await.unwrap()
    }

    async fn try_read(&self, cursor: &mut Cursor) -> Result<Vec<SourceRecord>, Fault> {
        read_on(&self.jira, "issues", cursor).await
    }

    fn issue(&self) -> String {
        let act = self.desk.act("issue");
        self.desk.simulators.jira.create_issue(&act, "MS", fields(json!({ "summary": act }))).unwrap().id
    }

    fn issues(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.issue()).collect()
    }

    fn edit(&self, id: &str, changes: Value, to_status: Option<&str>) {
        let act = self.desk.act("edit");
        let changes = fields(changes).into_iter().collect();
        self.desk.simulators.jira.edit(&act, id, &Person::integration(), changes, to_status).unwrap();
    }

    fn strike(&self, fault: FaultSpec) {
        self.desk.simulators.faults.inject("jira", fault).unwrap();
    }

    fn calls(&self, part: &str) -> u64 {
        let calls = self.desk.simulators.faults.requests("jira");
        calls.iter().filter(|(endpoint, _)| endpoint.contains(part)).map(|(_, count)| count).sum()
    }

    async fn all_calls(&self, count: usize) -> u64 {
        let wanted = self.issues(count);
        let before = self.calls("");
        assert_eq!(ids(&self.read(&mut Cursor::default()).await), wanted);
        self.calls("") - before
    }
}

fn app(desk: &Desk, changes: Value) -> Value {
    let url = desk.simulators.url("jira");
    let mut settings = fields(json!({ "auth": { "flow": "oauth", "client_id": milestoned_mocks::Jira::CLIENT_ID,
        "client_secret": milestoned_mocks::Jira::CLIENT_SECRET, "refresh_token": milestoned_mocks::Jira::REFRESH_TOKEN,
        "token_url": format!("{url}/oauth/token"), "api_url": url } }));
    settings.extend(fields(changes));
    settings.into()
}

fn connect(desk: &Desk, changes: Value, tokens: &Arc<Kept>) -> Jira {
    let mut settings = fields(json!({
        "base_url": desk.simulators.url("jira"), "projects": ["MS"], "lag": "5s", "limits": { "windows": [] },
        "webhook_secret": "secret",
        "auth": { "flow": "basic", "email": "mia@example.test", "api_token": "api-token" },
    }));
    settings.extend(fields(changes));
    let read = FieldMap::from_toml(MAP, milestoned_jira::value::SHAPE).unwrap().source_fields();
    let settings = serde_json::from_value(settings.into()).unwrap();
    Jira::build("jira", settings, read, desk.clock.clone(), Arc::clone(tokens) as Arc<dyn TokenStore>).unwrap()
}

fn newest<'a>(records: &'a [SourceRecord], id: &str) -> &'a SourceRecord {
    records.iter().rfind(|record| record.id == id).unwrap()
}

#[tokio::test]
async fn an_update_is_seen_in_any_time_zone_of_the_profile() {
    for zone in ["Pacific/Honolulu", "America/New_York", "Asia/Tokyo"] {
        let site = Site::start().await;
        assert!(site.desk.simulators.jira.set_time_zone(zone));
        let issue = site.issue();
        let mut cursor = Cursor::default();
        let before = site.read(&mut cursor).await;
        site.edit(&issue, json!({ "summary": "again" }), None);
        let changed = site.desk.simulators.clock.now();
        let after = site.read(&mut cursor).await;
        assert_eq!(newest(&after, &issue).at.as_second(), changed.as_second(), "{zone}");
        assert_ne!(newest(&before, &issue).version, newest(&after, &issue).version, "{zone}");
    }
}

#[tokio::test]
async fn an_issue_that_is_updated_all_the_time_is_collected() {
    let site = Site::start().await;
    let issue = site.issue();
    let (mut cursor, mut versions) = (Cursor::default(), BTreeSet::new());
    for round in 0..5 {
        site.edit(&issue, json!({ "summary": format!("round {round}") }), None);
        site.desk.advance(SignedDuration::from_secs(20));
        for record in site.try_read(&mut cursor).await.unwrap() {
            versions.insert(record.version);
        }
    }
    assert_eq!(versions.len(), 5);
}

#[tokio::test]
async fn an_issue_that_search_shows_late_is_read() {
    let site = Site::start().await;
    let mut cursor = Cursor::default();
    let late = site.issue();
    let until = site.desk.simulators.clock.now() + SignedDuration::from_mins(12);
    site.desk.simulators.jira.hide_from_search("hide", &late, until).unwrap();
    site.desk.advance(SignedDuration::from_mins(11));
    let seen = site.issue();
    assert_eq!(ids(&site.try_read(&mut cursor).await.unwrap()), [seen.as_str()]);
    site.desk.advance(SignedDuration::from_mins(2));
    let records = site.try_read(&mut cursor).await.unwrap();
    assert!(ids(&records).contains(&late.as_str()), "{:?}", ids(&records));
}

#[tokio::test]
async fn two_updates_in_one_minute_both_come() {
    let site = Site::start().await;
    let issue = site.issue();
    let mut cursor = Cursor::default();
    site.read(&mut cursor).await;
    site.edit(&issue, json!({ "summary": "one" }), None);
    site.desk.advance(SignedDuration::from_secs(6));
    let first = site.try_read(&mut cursor).await.unwrap();
    site.edit(&issue, json!({ "summary": "two" }), None);
    site.desk.advance(SignedDuration::from_secs(6));
    let second = site.try_read(&mut cursor).await.unwrap();
    assert_ne!(newest(&first, &issue).version, newest(&second, &issue).version);
}

#[tokio::test]
async fn a_query_with_order_by_in_a_quoted_value_stays_whole() {
    let site = Site::with(json!({ "jql": "summary ~ \"sort ORDER BY name\" OR status = \"To Do\"" })).await;
    let issue = site.issue();
    assert_eq!(ids(&site.read(&mut Cursor::default()).await), [issue.as_str()]);
    assert_eq!(site.jira.probe().await, []);
    let wrong = connect(&site.desk, json!({ "jql": "nonsense = 1" }), &site.tokens);
    let problems = wrong.probe().await;
    assert!(problems.iter().any(|problem| problem.place == "jql"), "{problems:?}");
}

#[tokio::test]
async fn a_page_token_is_never_used_for_another_query() {
    let site = Site::start().await;
    let wanted = site.issues(3);
    let mut cursor = Cursor::default();
    site.strike(FaultSpec::new("empty_page"));
    site.desk.advance(SignedDuration::from_mins(10));
    let page = site.jira.pull("issues", &cursor).await.unwrap();
    assert!(page.more, "an empty page is not the last");
    cursor = page.next;
    // Another process, whose query has changed.
    let changed = connect(&site.desk, json!({ "jql": "status != Done" }), &site.tokens);
    let records = read_on(&changed, "issues", &mut cursor).await.unwrap();
    assert_eq!(ids(&records), wanted);
}

#[tokio::test]
async fn a_page_without_a_token_is_the_last() {
    let site = Site::start().await;
    let calls = site.all_calls(3).await;
    assert_eq!(calls, 2, "a search and the issues");
}

#[tokio::test]
async fn a_page_token_that_comes_back_is_a_fault_and_no_endless_loop() {
    let site = Site::start().await;
    site.issues(3);
    site.desk.advance(SignedDuration::from_mins(10));
    // Without rows the token that was sent comes back.
    site.strike(FaultSpec::new("empty_page").on("POST", "search/jql").times(9));
    let fault = site.try_read(&mut Cursor::default()).await.unwrap_err();
    assert!(fault.detail.contains("round in circles"), "{fault}");
}

#[tokio::test]
async fn a_data_center_walk_loses_nothing_when_rows_move_to_its_end() {
    let site = Site::data_center().await;
    let wanted = (0..250).map(|_| {
        site.desk.advance(SignedDuration::from_secs(30));
        site.issue()
    });
    let wanted: Vec<String> = wanted.collect();
    site.desk.advance(SignedDuration::from_mins(10));
    let mut page = site.jira.pull("issues", &Cursor::default()).await.unwrap();
    let mut records = std::mem::take(&mut page.records);
    for moved in &wanted[..60] {
        site.edit(moved, json!({ "summary": "moved" }), None);
    }
    site.desk.advance(SignedDuration::from_mins(10));
    records.extend(site.try_read(&mut page.next).await.unwrap());
    let came: BTreeSet<&str> = ids(&records).into_iter().collect();
    assert_eq!(came, wanted.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn a_data_centers_history_names_fields_by_their_ids() {
    let site = Site::data_center().await;
    let issue = site.issue();
    site.edit(&issue, json!({ "customfield_10105": "https://docs.example/signed.pdf" }), Some("Accepted"));
    let records = site.read(&mut Cursor::default()).await;
    let Content::Fields { history } = &newest(&records, &issue).content else { panic!("{records:?}") };
    let changed: BTreeSet<&str> = history.iter().map(|change| change.field.as_str()).collect();
    assert!(changed.contains("status") && changed.contains("customfield_10105"), "{changed:?}");
    assert_eq!(census(&site.jira, "issues").await.unwrap(), [issue.as_str()]);
}

#[tokio::test]
async fn a_check_of_a_data_center_asks_as_that_understands() {
    let site = Site::data_center().await;
    site.issue();
    let problems = site.jira.probe().await;
    assert!(problems.iter().all(|problem| problem.place != "jql"), "{problems:?}");
}

#[tokio::test]
async fn a_webhook_of_a_transition_has_a_text_for_a_comment_or_none() {
    let site = Site::start().await;
    for comment in [json!(""), json!(null), json!("done"), json!({ "self": 7 })] {
        let body = json!({ "transition": { "transitionId": 31 }, "issue": { "id": "10001" }, "comment": comment });
        let body = body.to_string();
        assert_eq!(hook(&site.jira, signed(&body), &body), Some(vec!["10001".to_owned()]), "{body}");
    }
}

#[tokio::test]
async fn every_page_is_read_and_a_refusal_is_no_empty_page() {
    let site = Site::start().await;
    assert_eq!(site.all_calls(250).await, 4, "one search and three times a hundred issues");
    site.strike(FaultSpec::new("error(400)").times(5));
    let fault = site.try_read(&mut Cursor::default()).await.unwrap_err();
    assert_eq!(fault.class, Class::Refused, "{fault}");
}

#[tokio::test]
async fn a_removed_address_is_a_fault_and_not_silence() {
    let site = Site::start().await;
    site.issues(1);
    site.strike(FaultSpec::new("error(410)").times(5));
    let fault = site.try_read(&mut Cursor::default()).await.unwrap_err();
    assert!(fault.class == Class::Refused && fault.detail.contains("410"), "{fault}");
}

#[tokio::test]
async fn a_long_history_is_read_whole() {
    let site = Site::start().await;
    let issue = site.issue();
    for round in 0..60 {
        let to = if round % 2 == 0 { "In Progress" } else { "To Do" };
        site.edit(&issue, json!({}), Some(to));
        site.desk.advance(SignedDuration::from_secs(1));
    }
    for text in [false, true] {
        site.desk.simulators.jira.configure(|site| site.bulk_changelog_text = text);
        let records = site.read(&mut Cursor::default()).await;
        let Content::Fields { history } = &newest(&records, &issue).content else { panic!("{records:?}") };
        let moves = history.iter().filter(|change| change.field == "status").count();
        assert_eq!(moves, 60, "times as text: {text}");
        assert!(history.is_sorted_by_key(|change| change.at));
    }
}

#[tokio::test]
async fn an_empty_changelog_takes_away_no_history_that_the_issue_shows() {
    let site = Site::start().await;
    let issue = site.issue();
    for _ in 0..30 {
        site.edit(&issue, json!({}), Some("In Progress"));
        site.edit(&issue, json!({}), Some("To Do"));
    }
    site.strike(FaultSpec::new("empty_changelog").on("POST", "changelog/bulkfetch"));
    let records = site.read(&mut Cursor::default()).await;
    let Content::Fields { history } = &newest(&records, &issue).content else { panic!("{records:?}") };
    assert!(history.len() >= 40, "{}", history.len());
}

#[tokio::test]
async fn an_empty_value_of_a_change_is_nothing_and_no_text() {
    let site = Site::start().await;
    let issue = site.issue();
    site.edit(&issue, json!({ "customfield_10105": "https://docs.example/a.pdf" }), None);
    let records = site.read(&mut Cursor::default()).await;
    let Content::Fields { history } = &newest(&records, &issue).content else { panic!("{records:?}") };
    let change = history.iter().find(|change| change.field == "customfield_10105").unwrap();
    assert_eq!((change.from.as_deref(), change.to.as_deref()), (None, Some("https://docs.example/a.pdf")));
}

#[tokio::test]
async fn a_deleted_issue_is_missing_from_the_census_and_gone_when_it_is_read() {
    let site = Site::start().await;
    let issues = site.issues(3);
    site.read(&mut Cursor::default()).await;
    site.desk.simulators.jira.delete_issue("delete", &issues[1]).unwrap();
    let named = census(&site.jira, "issues").await.unwrap();
    assert_eq!(named, [issues[0].as_str(), issues[2].as_str()]);
    assert_eq!(site.jira.read("issue", &issues[1]).await.unwrap()[0].content, Content::Gone);
}

#[tokio::test]
async fn a_project_out_of_sight_is_no_mass_deletion() {
    let site = Site::start().await;
    site.issues(3);
    site.desk.simulators.jira.permit("hide", "MS", "*", false).unwrap();
    let fault = census(&site.jira, "issues").await.unwrap_err();
    assert!(fault.class == Class::Unauthorised && fault.detail.contains("project MS is not in sight"), "{fault}");
}

#[tokio::test]
async fn a_dead_identity_sees_no_empty_world() {
    let site = Site::start().await;
    site.issues(3);
    site.desk.simulators.jira.configure(|site| site.lenient_jql = true);
    site.strike(FaultSpec::new("anonymous").times(9));
    let fault = site.try_read(&mut Cursor::default()).await.unwrap_err();
    assert_eq!(fault.class, Class::Unauthorised, "{fault}");
    let other = connect(&site.desk, json!({ "account_id": "somebody else" }), &site.tokens);
    site.desk.simulators.faults.clear().unwrap();
    let fault = read_on(&other, "issues", &mut Cursor::default()).await.unwrap_err();
    assert!(fault.detail.contains("not as account_id"), "{fault}");
}

#[tokio::test]
async fn a_pass_takes_nothing_away_that_it_does_not_see() {
    let site = Site::start().await;
    site.issues(2);
    let mut cursor = Cursor::default();
    site.read(&mut cursor).await;
    site.desk.advance(SignedDuration::from_hours(48));
    site.issue();
    let later = site.read(&mut cursor).await;
    assert!(later.iter().all(|record| record.content != Content::Gone), "{later:?}");
}

#[tokio::test]
async fn a_moved_issue_is_the_same_record() {
    let site = Site::with(json!({ "projects": ["MS", "OPS"] })).await;
    site.desk.simulators.jira.set_project("project", "OPS", "live").unwrap();
    let issue = site.issue();
    let mut cursor = Cursor::default();
    site.read(&mut cursor).await;
    let key = site.desk.simulators.jira.move_issue("move", &issue, "OPS").unwrap();
    let records = site.read(&mut cursor).await;
    assert!(newest(&records, &issue).raw.contains(&key), "the id stays and the key changes to {key}");
}

#[tokio::test]
async fn an_issue_that_moved_out_of_our_projects_is_gone_also_where_many_are_read_at_once() {
    let site = Site::start().await;
    site.desk.simulators.jira.set_project("project", "OPS", "live").unwrap();
    let issues = site.issues(3);
    site.desk.simulators.jira.move_issue("move", &issues[1], "OPS").unwrap();
    let ids: Vec<&str> = issues.iter().map(String::as_str).collect();
    let read = site.jira.read_each("issue", &ids).await;
    let gone: Vec<bool> = read.into_iter().map(|records| records.unwrap()[0].content == Content::Gone).collect();
    assert_eq!(gone, [false, true, false]);
}

#[tokio::test]
async fn webhooks_of_an_app_are_prolonged_before_they_lapse() {
    let site = Site::of_app(json!({ "dynamic_webhooks": true })).await;
    let lapse = |problems: &[milestoned_mapping::problem::Problem]| {
        problems.iter().any(|problem| problem.place == "dynamic_webhooks")
    };
    assert!(lapse(&site.jira.probe().await), "none is registered");
    register(&site).await;
    assert!(!lapse(&site.jira.probe().await));
    for _ in 0..10 {
        site.desk.advance(SignedDuration::from_hours(24 * 7));
        site.try_read(&mut Cursor::default()).await.unwrap();
    }
    assert!(!lapse(&site.jira.probe().await), "seventy days later");
}

/// The operator registers a webhook with the app.
async fn register(site: &Site) {
    let (client, url) = (reqwest::Client::new(), site.desk.simulators.url("jira"));
    let grant = json!({ "grant_type": "authorization_code", "code": "jira-code",
        "client_id": milestoned_mocks::Jira::CLIENT_ID, "client_secret": milestoned_mocks::Jira::CLIENT_SECRET });
    let grant = client.post(format!("{url}/oauth/token")).json(&grant).send().await.unwrap();
    let grant: Value = grant.json().await.unwrap();
    let hook = json!({ "url": "https://milestoned.example/hooks/jira",
        "webhooks": [{ "events": ["jira:issue_updated"], "jqlFilter": "project = MS" }] });
    let api = format!("{url}/ex/jira/{}/rest/api/3/webhook", milestoned_mocks::Jira::CLOUD_ID);
    let answer =
        client.post(api).bearer_auth(grant["access_token"].as_str().unwrap()).json(&hook).send().await.unwrap();
    let registered: Value = answer.json().await.unwrap();
    assert!(registered["webhookRegistrationResult"][0]["createdWebhookId"].is_number(), "{registered}");
}

fn hook(jira: &Jira, header: (&'static str, String), body: &str) -> Option<Vec<String>> {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert(header.0, header.1.parse().unwrap());
    let told = jira.verify(&WebhookRequest { secret: None, headers: &headers, body: body.as_bytes() }).ok()?;
    Some(told.into_iter().flat_map(|delivery| delivery.hints).map(|hint| hint.id).collect())
}

fn signed(body: &str) -> (&'static str, String) {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(body.as_bytes());
    ("x-hub-signature", format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
}

#[tokio::test]
async fn a_deletion_that_names_no_project_is_read_again_and_gone() {
    let site = Site::start().await;
    let issue = site.issue();
    site.desk.simulators.jira.delete_issue("delete", &issue).unwrap();
    let body = json!({ "webhookEvent": "jira:issue_deleted", "issue": { "id": issue, "fields": {} } }).to_string();
    let told = hook(&site.jira, signed(&body), &body).unwrap();
    assert_eq!(site.jira.read("issue", &told[0]).await.unwrap()[0].content, Content::Gone);
}

#[tokio::test]
async fn an_event_about_no_issue_and_one_of_our_own_making_say_nothing() {
    let site = Site::start().await;
    for body in [
        json!({ "webhookEvent": "sprint_started", "sprint": { "id": 7 } }),
        json!({ "webhookEvent": "issue_property_set", "issue": { "id": "10001" } }),
        json!({ "webhookEvent": "jira:issue_updated", "timestamp": 1_600_000_000_000_u64, "issue": { "id": "10001" } }),
    ] {
        let body = body.to_string();
        assert_eq!(hook(&site.jira, signed(&body), &body), Some(Vec::new()), "taken, and nothing to look at: {body}");
        assert_eq!(hook(&site.jira, signed(&body), &format!("{body} ")), None, "another body");
    }
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_it_is_used() {
    let site = Site::of_app(json!({})).await;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        // Each connection is a process that has only the store.
        let jira = connect(&site.desk, app(&site.desk, json!({})), &site.tokens);
        site.desk.advance(SignedDuration::from_hours(2));
        read_on(&jira, "issues", &mut Cursor::default()).await.unwrap();
        seen.insert(site.tokens.load("jira", "refresh_token").await.unwrap().unwrap());
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    site.tokens.save("jira", "refresh_token", "stolen").await.unwrap();
    let jira = connect(&site.desk, app(&site.desk, json!({})), &site.tokens);
    let fault = read_on(&jira, "issues", &mut Cursor::default()).await.unwrap_err();
    assert!(fault.class == Class::Unauthorised && fault.detail.contains("connect again"), "{fault}");
}

#[tokio::test]
async fn a_lost_answer_to_a_refresh_is_asked_for_again_within_the_leeway() {
    let site = Site::of_app(json!({})).await;
    site.strike(FaultSpec::new("drop_after_write").on("POST", "/oauth/token"));
    assert!(site.try_read(&mut Cursor::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_webhook_of_an_app_is_taken_by_its_token() {
    let site = Site::of_app(json!({})).await;
    let body = json!({ "webhookEvent": "jira:issue_updated", "issue": { "id": "10001" } }).to_string();
    let bearer = |secret: &str| {
        let claims = json!({ "exp": site.desk.simulators.clock.now().as_second() + 60 });
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        ("authorization", format!("Bearer {token}"))
    };
    let secret = milestoned_mocks::Jira::CLIENT_SECRET;
    assert_eq!(hook(&site.jira, bearer(secret), &body), Some(vec!["10001".to_owned()]));
    assert_eq!(hook(&site.jira, bearer("another"), &body), None);
    let basic = Site::start().await;
    assert_eq!(hook(&basic.jira, bearer(secret), &body), None, "only of an app");
}

#[tokio::test]
async fn a_repeated_status_makes_no_second_link() {
    let site = Site::with(json!({ "transitions": { "invoiced": "Done" } })).await;
    let issue = site.issue();
    site.strike(FaultSpec::new("drop_after_write").on("POST", "/remotelink"));
    let lost = put(&site.jira, &[status(1, &issue)]).await.remove(0).unwrap_err();
    assert_eq!(lost.class, Class::Unanswered);
    for _ in 0..2 {
        put(&site.jira, &[status(1, &issue)]).await[0].as_ref().unwrap();
    }
    let kept = site.desk.simulators.jira.issue(&issue).unwrap();
    assert_eq!(site.desk.simulators.jira.links(&issue).len(), 1);
    assert!(kept.to_string().contains("Done"), "and the issue is moved: {kept}");
}

#[tokio::test]
async fn transitions_that_jira_does_not_tell_are_a_refusal_of_jira() {
    let site = Site::with(json!({ "transitions": { "invoiced": "Done" } })).await;
    let issue = site.issue();
    site.strike(FaultSpec::new("error(403)").on("GET", "/transitions").times(6));
    let fault = put(&site.jira, &[status(1, &issue)]).await.remove(0).unwrap_err();
    assert!(matches!(fault.class, Class::Refused | Class::Unauthorised), "{fault}");
}

#[tokio::test]
async fn writes_to_one_issue_are_spaced_and_none_is_throttled() {
    let site = Site::start().await;
    let issue = site.issue();
    site.desk.simulators.jira.set_issue_write_limit(Some(20));
    let mut refused = 0;
    for ordinal in 0..30 {
        match put(&site.jira, &[status(ordinal, &issue)]).await.remove(0) {
            Ok(_) => {}
            Err(fault) => {
                assert!(matches!(fault.class, Class::Throttled { until: Some(_) }), "{fault}");
                refused += 1;
                site.desk.advance(SignedDuration::from_secs(31));
            }
        }
    }
    assert!(refused > 0);
    assert_eq!(site.desk.simulators.faults.throttled("jira"), 0, "no throttled answer is caused by ourselves");
}

#[tokio::test]
async fn a_server_that_cannot_carry_so_much_is_asked_for_less() {
    let site = Site::start().await;
    let wanted = site.issues(8);
    // Each question is repeated twice before it counts as failed.
    site.strike(FaultSpec::new("error(500)").on("POST", "issue/bulkfetch").times(6));
    assert_eq!(ids(&site.read(&mut Cursor::default()).await), wanted);
}
