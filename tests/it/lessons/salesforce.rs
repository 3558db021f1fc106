//! Lessons of Salesforce.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use milestoned_connector_kit::conformance::Conditions;
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{AttachedFile, Class, Cursor, Fault, Hook, Probe, Source, WebhookRequest};
use milestoned_mapping::fieldmap::{FieldMap, Shape};
use milestoned_mapping::record::{Content, SourceRecord};
use milestoned_mocks::{FaultSpec, Fields};
use milestoned_salesforce::Salesforce;
use serde_json::{Value, json};

use super::{census, ids, put, read_on};
use crate::conformance::{Desk, Kept, fields, status};

const DEALS: &str = include_str!("../../../config/fieldmaps/salesforce.toml");
const CERTINIA: &str = include_str!("../../../config/fieldmaps/certinia.toml");

/// A simulated org and a connection to it.
struct Org {
    desk: Desk,
    salesforce: Salesforce,
}

impl Org {
    async fn start() -> Self {
        Self::with(DEALS, json!({})).await
    }

    async fn with(map: &str, changes: Value) -> Self {
        let desk = Desk::open("salesforce").await;
        let salesforce = connect(&desk, map, changes, Arc::new(Kept::default()));
        Self { desk, salesforce }
    }

    async fn read(&self, cursor: &mut Cursor) -> Vec<SourceRecord> {
        self.desk.advance(SignedDuration::from_mins(10));
        read_on(&self.salesforce, "records", cursor).await.unwrap()
    }

    async fn pull(&self) -> Result<Vec<SourceRecord>, Fault> {
        read_on(&self.salesforce, "records", &mut Cursor::default()).await
    }

    fn deal(&self, changes: Value) -> String {
        let act = self.desk.act("deal");
        let mut deal =
            fields(json!({ "Name": act, "StageName": "Closed Won", "CloseDate": "2026-03-02", "Amount": "10.25",
            "SOW_Number__c": act }));
        deal.extend(fields(changes));
        self.put("Opportunity", &act, deal)
    }

    fn deals(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.deal(json!({}))).collect()
    }

    fn put(&self, object: &str, key: &str, fields: Fields) -> String {
        self.desk.simulators.salesforce.put(&self.desk.act("put"), object, key, fields).unwrap()
    }

    fn change(&self, object: &str, id: &str, changes: Value) {
        self.put(object, id, fields(changes));
    }

    fn strike(&self, fault: FaultSpec) {
        self.desk.simulators.faults.inject("salesforce", fault).unwrap();
    }

    fn calls(&self) -> u64 {
        let calls = self.desk.simulators.faults.requests("salesforce");
        calls.iter().filter(|(endpoint, _)| !endpoint.contains("oauth2")).map(|(_, count)| count).sum()
    }

    fn shown(&self) -> usize {
        self.desk.simulators.salesforce.records("Milestone__c").len()
    }
}

fn connect(desk: &Desk, map: &str, changes: Value, tokens: Arc<Kept>) -> Salesforce {
    let mut settings = fields(json!({
        "base_url": desk.simulators.url("salesforce"), "lag": "5s", "limits": { "windows": [] },
        "auth": { "flow": "client_credentials", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET" },
        "status": { "object": "Milestone__c", "external_id": "External_Id__c",
            "fields": { "status": "Status__c", "name": "Name", "amount": "Amount__c" } },
    }));
    settings.extend(fields(changes));
    let map = FieldMap::from_toml(map, Shape::PLAIN).unwrap();
    Salesforce::build("salesforce", serde_json::from_value(settings.into()).unwrap(), &map, desk.clock.clone(), tokens)
        .unwrap()
}

fn mentions(fault: &Fault, class: &Class, words: &str) {
    assert!(fault.class == *class && fault.detail.contains(words), "{fault}");
}

#[tokio::test]
async fn rows_that_appear_late_are_read() {
    let org = Org::start().await;
    let mut cursor = Cursor::default();
    org.desk.simulators.salesforce.set_commit_lag(3_000);
    let mut wanted = org.deals(2);
    org.desk.simulators.salesforce.set_commit_lag(0);
    wanted.extend(org.deals(1));
    let mut records = read_on(&org.salesforce, "records", &mut cursor).await.unwrap();
    records.extend(org.read(&mut cursor).await);
    assert_eq!(ids(&records).into_iter().collect::<BTreeSet<_>>(), wanted.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn a_row_at_the_boundary_comes_and_comes_as_the_same_version() {
    let org = Org::start().await;
    let mut cursor = Cursor::default();
    org.deals(1);
    let first = org.read(&mut cursor).await;
    org.deals(1);
    let second = org.read(&mut cursor).await;
    assert_eq!(ids(&first).len(), 1);
    let versions: BTreeSet<_> = first.iter().chain(&second).map(|record| (&record.id, &record.version)).collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
}

#[tokio::test]
async fn tied_stamps_are_paged_through_and_end() {
    let org = Org::start().await;
    org.desk.simulators.salesforce.set_page_size(10);
    let wanted = org.deals(35);
    let records = org.read(&mut Cursor::default()).await;
    assert_eq!(ids(&records), wanted, "each once, in the order of their ids");
}

#[tokio::test]
async fn an_update_of_a_known_record_is_another_version() {
    let org = Org::start().await;
    let mut cursor = Cursor::default();
    let deal = org.deals(1).remove(0);
    let before = org.read(&mut cursor).await;
    org.change("Opportunity", &deal, json!({ "Amount": "11.25" }));
    let after = org.read(&mut cursor).await;
    let newest = after.last().unwrap();
    assert!(newest.id == deal && newest.version != before[0].version && newest.raw.contains("11.25"), "{newest:?}");
}

#[tokio::test]
async fn a_record_of_many_years_ago_is_read() {
    let org = Org::start().await;
    org.desk.advance(SignedDuration::from_hours(-24 * 365 * 11));
    let wanted = org.deals(1);
    org.desk.advance(SignedDuration::from_hours(24 * 365 * 11));
    assert_eq!(ids(&org.read(&mut Cursor::default()).await), wanted);
}

#[tokio::test]
async fn a_field_that_is_mapped_later_is_read_of_old_records_too() {
    let org = Org::start().await;
    let deal = org.deal(json!({ "NextStep": "sign" }));
    let mut reread = Cursor::default();
    let before = org.read(&mut Cursor::default()).await;
    assert!(read_on(&org.salesforce, "reread", &mut reread).await.unwrap().is_empty(), "not due yet");
    let map = DEALS.replace("Payment_Terms__c", "NextStep");
    let later = connect(&org.desk, &map, json!({}), Arc::new(Kept::default()));
    org.desk.advance(SignedDuration::from_hours(25));
    let after = read_on(&later, "reread", &mut reread).await.unwrap();
    assert_eq!(ids(&after), [deal.as_str()]);
    assert!(after[0].raw.contains("sign") && after[0].version != before[0].version);
}

#[tokio::test]
async fn a_window_that_cannot_be_answered_in_time_is_halved() {
    let org = Org::start().await;
    let mut wanted = org.deals(2);
    org.desk.advance(SignedDuration::from_hours(1));
    wanted.extend(org.deals(2));
    org.strike(FaultSpec::new("error(QUERY_TIMEOUT)").on("GET", "/queryAll").times(3));
    assert_eq!(ids(&org.read(&mut Cursor::default()).await), wanted);
}

#[tokio::test]
async fn a_limit_in_the_middle_is_a_fault_and_no_success() {
    let org = Org::start().await;
    org.desk.simulators.salesforce.set_page_size(10);
    let wanted = org.deals(25);
    org.desk.advance(SignedDuration::from_mins(10));
    let mut cursor = Cursor::default();
    org.strike(FaultSpec::new("error(REQUEST_LIMIT_EXCEEDED)").on("GET", "/query").after(1));
    let first = org.salesforce.pull("records", &cursor).await.unwrap();
    cursor = first.next;
    let fault = org.salesforce.pull("records", &cursor).await.unwrap_err();
    assert!(matches!(fault.class, Class::Throttled { .. }), "{fault}");
    let rest = read_on(&org.salesforce, "records", &mut cursor).await.unwrap();
    assert_eq!([ids(&first.records), ids(&rest)].concat(), wanted);
}

#[tokio::test]
async fn a_deleted_record_comes_as_gone_and_a_purged_one_is_missing_from_the_census() {
    let org = Org::start().await;
    let mut cursor = Cursor::default();
    let deals = org.deals(3);
    org.read(&mut cursor).await;
    org.desk.simulators.salesforce.delete("d", "Opportunity", &deals[0]).unwrap();
    let gone = org.read(&mut cursor).await;
    assert!(gone.iter().any(|record| record.id == deals[0] && record.content == Content::Gone));
    org.desk.simulators.salesforce.purge("p", "Opportunity", &deals[1]).unwrap();
    assert!(!ids(&org.read(&mut cursor).await).contains(&deals[1].as_str()), "it leaves nothing behind");
    assert_eq!(census(&org.salesforce, "records").await.unwrap(), deals[2..]);
    let read = org.salesforce.read("Opportunity", &deals[1]).await.unwrap();
    assert_eq!(read[0].content, Content::Gone);
}

#[tokio::test]
async fn what_moves_no_stamp_is_read_again_by_the_day() {
    let org = Org::start().await;
    let account = org.put("Account", "acme", fields(json!({ "Name": "Acme" })));
    org.deal(json!({ "AccountId": account }));
    let (mut cursor, mut reread) = (Cursor::default(), Cursor::default());
    let before = org.read(&mut cursor).await;
    read_on(&org.salesforce, "reread", &mut reread).await.unwrap();
    org.change("Account", &account, json!({ "Name": "Acme Holding" }));
    org.desk.advance(SignedDuration::from_hours(24));
    let after = read_on(&org.salesforce, "reread", &mut reread).await.unwrap();
    assert!(after[0].raw.contains("Acme Holding") && after[0].version != before[0].version, "{after:?}");
    assert!(read_on(&org.salesforce, "reread", &mut reread).await.unwrap().is_empty(), "once a day");
}

#[tokio::test]
async fn a_change_of_a_product_makes_its_opportunity_be_read() {
    let org = Org::start().await;
    let deals = org.deals(2);
    let mut cursor = Cursor::default();
    assert!(read_on(&org.salesforce, "line_items", &mut cursor).await.unwrap().is_empty());
    let item = json!({ "OpportunityId": deals[1], "Quantity": 1, "UnitPrice": "5.00", "ProductCode": "M1" });
    org.put("OpportunityLineItem", "item", fields(item));
    org.desk.advance(SignedDuration::from_mins(10));
    let records = read_on(&org.salesforce, "line_items", &mut cursor).await.unwrap();
    assert_eq!(ids(&records), [deals[1].as_str()]);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_it_is_used() {
    let desk = Desk::open("salesforce").await;
    let tokens = Arc::new(Kept::default());
    let auth = json!({ "auth": { "flow": "refresh_token", "client_id": "CONSUMER_KEY", "client_secret": "CONSUMER_SECRET",
        "refresh_token": "5Aep861-refresh" } });
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        // Each connection is a process that has only the store.
        let salesforce = connect(&desk, DEALS, auth.clone(), Arc::clone(&tokens));
        read_on(&salesforce, "records", &mut Cursor::default()).await.unwrap();
        seen.insert(tokens.load("salesforce", "refresh_token").await.unwrap().unwrap());
    }
    assert_eq!(seen.len(), 3, "each use kills its token: {seen:?}");
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_once_and_any_other_refusal_stops() {
    let org = Org::start().await;
    org.deals(1);
    org.desk.advance(SignedDuration::from_mins(10));
    org.pull().await.unwrap();
    org.strike(FaultSpec::new("expire_token"));
    let before = org.calls();
    assert_eq!(org.pull().await.unwrap().len(), 1);
    assert_eq!(org.calls() - before, 2, "the refused call and its repetition");
    org.strike(FaultSpec::new("error(API_DISABLED_FOR_ORG)").times(9));
    let before = org.calls();
    mentions(&org.pull().await.unwrap_err(), &Class::Unauthorised, "API_DISABLED_FOR_ORG");
    assert_eq!(org.calls() - before, 1, "no new sign-in mends it");
}

#[tokio::test]
async fn a_poll_without_rows_is_fresh_and_keeps_its_place() {
    let org = Org::start().await;
    let mut cursor = Cursor::default();
    org.deals(1);
    org.read(&mut cursor).await;
    org.desk.advance(SignedDuration::from_hours(72));
    let page = org.salesforce.pull("records", &cursor).await.unwrap();
    assert_eq!(page.next, cursor, "never moved to now: only to what was read");
    assert!(page.fresh_through > org.desk.simulators.clock.now() - SignedDuration::from_mins(1));
}

#[tokio::test]
async fn a_question_longer_than_an_address_travels_in_a_body() {
    let names: Vec<String> = (0..1_500).map(|number| format!("'deal {number}'")).collect();
    let filter = format!("SOW_Number__c IN ({})", names.join(", "));
    assert!(filter.len() > 16_384);
    let org = Org::with(DEALS, json!({ "filter": filter })).await;
    let wanted = org.deals(2);
    assert_eq!(ids(&org.read(&mut Cursor::default()).await), wanted);
}

#[tokio::test]
async fn several_records_under_one_external_id_are_for_a_person() {
    let org = Org::with(
        DEALS,
        json!({ "status": { "object": "Milestone__c", "external_id": "Legacy_Id__c", "fields": { "status": "Status__c" } } }),
    )
    .await;
    for key in ["a", "b"] {
        org.put("Milestone__c", key, fields(json!({ "Legacy_Id__c": "CONF-M1" })));
    }
    let alone = put(&org.salesforce, &[status(1, "006000000000001AAA")]).await;
    let many: Vec<_> = (1..4).map(|ordinal| status(ordinal, "006000000000001AAA")).collect();
    let together = put(&org.salesforce, &many).await;
    for outcome in [&alone[0], &together[0]] {
        let fault = outcome.as_ref().unwrap_err();
        assert!(fault.class == Class::Refused && fault.detail.contains("delete all but one"), "{fault}");
    }
    assert!(together[1].is_ok() && together[2].is_ok());
    let problems = org.salesforce.probe().await;
    assert!(problems.iter().any(|problem| problem.reason == "is no unique external id"), "{problems:?}");
}

#[tokio::test]
async fn a_duplicate_rule_is_for_a_person_and_stops_nobody_else() {
    let org = Org::start().await;
    org.desk.simulators.salesforce.configure(|org| org.duplicate_rules = vec!["Milestone__c.Name".into()]);
    org.put("Milestone__c", "taken", fields(json!({ "Name": "M2 Design" })));
    let many: Vec<_> = (1..4).map(|ordinal| status(ordinal, "006000000000001AAA")).collect();
    let outcomes = put(&org.salesforce, &many).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    mentions(outcomes[1].as_ref().unwrap_err(), &Class::Refused, "a duplicate rule stops it");
}

#[tokio::test]
async fn a_locked_row_is_tried_again_and_its_neighbours_are_written() {
    for code in [400, 500] {
        let org = Org::start().await;
        org.desk.simulators.salesforce.configure(|org| org.lock_status = code);
        let many: Vec<_> = (1..4).map(|ordinal| status(ordinal, "006000000000001AAA")).collect();
        assert!(put(&org.salesforce, &many).await.iter().all(Result::is_ok));
        let until = org.desk.simulators.clock.now() + SignedDuration::from_mins(1);
        org.desk.simulators.salesforce.lock("lock", "Milestone__c", "CONF-M2", until, false).unwrap();
        for commands in [&many[..], &many[1..2]] {
            let outcomes = put(&org.salesforce, commands).await;
            let locked: Vec<&Fault> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            assert_eq!(locked.len(), 1, "{outcomes:?}");
            mentions(locked[0], &Class::Throttled { until: None }, "UNABLE_TO_LOCK_ROW");
        }
    }
}

#[tokio::test]
async fn the_days_limit_is_no_concurrency_and_polls_leave_some_to_writes() {
    let org = Org::start().await;
    org.deals(1);
    org.desk.simulators.salesforce.set_daily_limit(10);
    org.desk.advance(SignedDuration::from_mins(10));
    let mut polls = 0;
    let fault = loop {
        match org.pull().await {
            Ok(_) => polls += 1,
            Err(fault) => break fault,
        }
        assert!(polls < 20);
    };
    let until = org.desk.simulators.clock.now() + SignedDuration::from_mins(15);
    mentions(&fault, &Class::Throttled { until: Some(until) }, "the rest is left to writes");
    assert!(polls <= 9, "{polls}");
    assert!(put(&org.salesforce, &[status(1, "006000000000001AAA")]).await[0].is_ok(), "a write still goes");
    org.desk.simulators.salesforce.set_daily_limit(1);
    let fault = put(&org.salesforce, &[status(2, "006000000000001AAA")]).await.remove(0).unwrap_err();
    mentions(&fault, &Class::Throttled { until: Some(until) }, "TotalRequests");
}

#[tokio::test]
async fn a_dead_locator_is_replaced_by_the_place_of_the_last_row() {
    let org = Org::start().await;
    org.desk.simulators.salesforce.set_page_size(10);
    let wanted = org.deals(35);
    org.desk.advance(SignedDuration::from_mins(10));
    let (mut cursor, mut read) = (Cursor::default(), Vec::new());
    loop {
        let page = org.salesforce.pull("records", &cursor).await.unwrap();
        read.extend(page.records);
        cursor = page.next;
        if !page.more {
            break;
        }
        org.strike(FaultSpec::new("expire_cursors"));
    }
    assert_eq!(ids(&read), wanted);
}

#[tokio::test]
async fn a_repeated_write_makes_no_second_record() {
    let org = Org::start().await;
    let many: Vec<_> = (1..1_001).map(|ordinal| status(ordinal, "006000000000001AAA")).collect();
    put(&org.salesforce, &many[..1]).await[0].as_ref().unwrap();
    org.strike(FaultSpec::new("drop_after_write"));
    let lost = put(&org.salesforce, &many).await;
    assert!(lost.iter().all(|outcome| outcome.as_ref().is_err_and(|fault| fault.class == Class::Unanswered)));
    let before = org.calls();
    assert!(put(&org.salesforce, &many).await.iter().all(Result::is_ok));
    assert_eq!((org.shown(), org.calls() - before), (1_000, 1), "a thousand records in one call");
}

#[tokio::test]
async fn stamps_are_absolute_whatever_the_users_zone_is() {
    for zone in ["Pacific/Honolulu", "Asia/Tokyo"] {
        let org = Org::start().await;
        org.desk.simulators.salesforce.configure(|org| org.time_zone = zone.into());
        let mut cursor = Cursor::default();
        org.deals(1);
        let made = org.desk.simulators.clock.now();
        let first = org.read(&mut cursor).await;
        assert_eq!(first[0].at, made, "{zone}");
        let late = org.deals(1);
        assert!(ids(&org.read(&mut cursor).await).contains(&late[0].as_str()), "{zone}");
    }
}

#[tokio::test]
async fn a_field_of_a_feature_that_is_off_is_not_asked_for() {
    let org = Org::start().await;
    org.desk.simulators.salesforce.configure(|org| org.multi_currency = false);
    let wanted = org.deals(1);
    assert_eq!(ids(&org.read(&mut Cursor::default()).await), wanted);
    let problems = org.salesforce.probe().await;
    assert!(problems.iter().any(|problem| problem.remedy.contains("set currency")), "{problems:?}");
    let single = connect(&org.desk, DEALS, json!({ "currency": "USD" }), Arc::new(Kept::default()));
    assert_eq!(single.probe().await, []);
    let records = read_on(&single, "records", &mut Cursor::default()).await.unwrap();
    assert!(records[0].raw.contains("\"CurrencyIsoCode\":\"USD\""), "{}", records[0].raw);
    org.desk.simulators.salesforce.hide_field("Opportunity", "Payment_Terms__c", true).unwrap();
    let problems = single.probe().await;
    assert_eq!(problems[0].place, "Opportunity.Payment_Terms__c", "{problems:?}");
}

#[tokio::test]
async fn an_outbound_message_is_a_hint_from_this_org_under_its_secret() {
    let org = Org::with(DEALS, json!({ "outbound": { "organization": "00D000000000001", "secret": "s3cret" } })).await;
    let message = |organization: &str| {
        format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <e:Body><notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\"><OrganizationId>{organization}</OrganizationId>\
             <SessionId x:nil=\"true\"/><Notification><Id>04l000000000001AAA</Id><sObject x:type=\"sf:Opportunity\" \
             xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\"><sf:Id>006000000000001AAA</sf:Id></sObject></Notification>\
             </notifications></e:Body></e:Envelope>"
        )
    };
    let headers = Default::default();
    let verify = |secret: Option<&'static str>, organization: &str| {
        org.salesforce.verify(&WebhookRequest { secret, headers: &headers, body: message(organization).as_bytes() })
    };
    let told = verify(Some("s3cret"), "00D000000000001AAA").unwrap();
    assert_eq!((told[0].id.as_str(), told[0].hints[0].id.as_str()), ("04l000000000001AAA", "006000000000001AAA"));
    assert!(verify(Some("guess"), "00D000000000001AAA").is_err() && verify(None, "00D000000000001AAA").is_err());
    assert!(verify(Some("s3cret"), "00D000000000002AAA").is_err());
    assert!(org.salesforce.acknowledgement().body.contains("<Ack>true</Ack>"));
}

/// An approved milestone of a project whose opportunity names a contract.
fn milestone(org: &Org, approved: bool) -> String {
    org.desk.simulators.salesforce.define_field("pse__Milestone__c", "Milestone_Id__c:string").unwrap();
    let account = org.put("Account", "acme", fields(json!({ "Name": "Acme" })));
    let deal = org.deal(json!({ "SOW_Number__c": "SOW-1", "AccountId": account }));
    let project = json!({ "Name": "Roll-out", "pse__Opportunity__c": deal, "pse__Account__c": account });
    let project = org.put("pse__Proj__c", "project", fields(project));
    let milestone = json!({ "Name": "Design", "Milestone_Id__c": "M1", "pse__Project__c": project,
        "pse__Milestone_Amount__c": "10.25", "pse__Target_Date__c": "2026-03-01" });
    let milestone = org.put("pse__Milestone__c", "milestone", fields(milestone));
    if approved {
        let approval = json!({ "pse__Approved__c": true, "pse__Include_In_Financials__c": true });
        org.change("pse__Milestone__c", &milestone, approval);
    }
    milestone
}

#[tokio::test]
async fn an_acceptance_has_the_day_of_its_approval_and_not_that_of_the_last_edit() {
    let org = certinia().await;
    let milestone = milestone(&org, true);
    let approved = org.desk.simulators.clock.now();
    org.desk.advance(SignedDuration::from_hours(90 * 24));
    org.change("pse__Milestone__c", &milestone, json!({ "pse__Description__c": "tidied up before go-live" }));
    let records = org.read(&mut Cursor::default()).await;
    let Content::Fields { history } = &records[0].content else { panic!("{records:?}") };
    assert_eq!(
        history.iter().map(|one| (one.at.as_second(), one.to.as_deref())).collect::<Vec<_>>(),
        [(approved.as_second(), Some("true"))]
    );
    let silent = certinia().await;
    silent.desk.simulators.salesforce.configure(|org| org.milestone_history = false);
    self::milestone(&silent, true);
    silent.desk.advance(SignedDuration::from_mins(10));
    let page = silent.salesforce.pull("records", &Cursor::default()).await.unwrap();
    assert!(page.records.is_empty() && page.unreadable[0].reason.contains("accepted_on"), "{page:?}");
    let map = CERTINIA.replace("[transitions]", "accepted_on = \"pse__Actual_Date__c\"\n[transitions]");
    let dated = Org::with(&map, json!({ "object": "pse__Milestone__c" })).await;
    dated.desk.simulators.salesforce.configure(|org| org.milestone_history = false);
    let milestone = self::milestone(&dated, true);
    dated.change("pse__Milestone__c", &milestone, json!({ "pse__Actual_Date__c": "2026-02-27" }));
    let map = FieldMap::from_toml(&map, Shape::PLAIN).unwrap();
    let read = milestoned_mapping::normalise::normalise(&dated.read(&mut Cursor::default()).await[0], &map);
    assert_eq!(read.facts[0].fact.on.map(|day| day.to_string()).as_deref(), Some("2026-02-27"));
}

#[tokio::test]
async fn an_approval_process_says_who_accepted_and_when_where_no_history_is_kept() {
    let org = Org::with(CERTINIA, json!({ "object": "pse__Milestone__c", "approvals": true })).await;
    org.desk.simulators.salesforce.configure(|settings| settings.milestone_history = false);
    let milestone = self::milestone(&org, true);
    org.desk.advance(SignedDuration::from_hours(24));
    let step = |process: &str, key: &str, status: &str| {
        let process = json!({ "TargetObjectId": milestone, "Status": process });
        let process = org.put("ProcessInstance", key, fields(process));
        org.put("ProcessInstanceStep", key, fields(json!({ "ProcessInstanceId": process, "StepStatus": status })));
    };
    step("Rejected", "first", "Rejected");
    org.desk.advance(SignedDuration::from_hours(24));
    step("Approved", "second", "Approved");
    let approved = org.desk.simulators.clock.now();
    org.desk.advance(SignedDuration::from_hours(24));
    step("Pending", "third", "Approved");
    org.change("pse__Milestone__c", &milestone, json!({ "pse__Description__c": "tidied up" }));
    let records = org.read(&mut Cursor::default()).await;
    let Content::Fields { history } = &records[0].content else { panic!("{records:?}") };
    let told: Vec<_> = history.iter().map(|one| (one.at.as_second(), one.by.as_str(), one.to.as_deref())).collect();
    assert_eq!(told, [(approved.as_second(), "integration@example.com", Some("true"))]);
    assert!(org.salesforce.probe().await.is_empty());
}

async fn certinia() -> Org {
    let shown = json!({ "billed": "pse__Billed__c", "invoiced": "pse__Invoiced__c", "invoice": "pse__Invoice_Number__c",
        "invoiced_on": "pse__Invoice_Date__c" });
    let status = json!({ "object": "pse__Milestone__c", "fields": shown });
    Org::with(CERTINIA, json!({ "object": "pse__Milestone__c", "status": status })).await
}

#[tokio::test]
async fn a_milestone_of_a_project_tool_tells_its_acceptance_with_the_signed_document() {
    let org = certinia().await;
    let milestone = milestone(&org, true);
    let signed = json!({ "PathOnClient": "Signed acceptance.pdf", "VersionData": "signed", "FirstPublishLocationId": milestone });
    let (mut cursor, mut files) = (Cursor::default(), Cursor::default());
    let before = org.read(&mut cursor).await;
    read_on(&org.salesforce, "files", &mut files).await.unwrap();
    org.put("ContentVersion", "", fields(signed));
    org.desk.advance(SignedDuration::from_mins(10));
    let after = read_on(&org.salesforce, "files", &mut files).await.unwrap();
    assert_ne!(before[0].version, after[0].version, "a file moves no stamp");
    let map = FieldMap::from_toml(CERTINIA, Shape::PLAIN).unwrap();
    let read = milestoned_mapping::normalise::normalise(&after[0], &map);
    assert_eq!((read.contract.as_deref(), &read.problems[..]), (Some("SOW-1"), &[][..]));
    let milestoned_mapping::fact::Event::Accepted { milestone, document, .. } = &read.facts[0].fact.event else {
        panic!("{:?}", read.facts)
    };
    assert_eq!(milestone, "M1");
    assert!(document.as_deref().unwrap().contains("/version/download/068"), "{document:?}");
}

#[tokio::test]
async fn an_invoice_is_written_to_its_milestone_in_one_update_that_the_packaged_rules_take() {
    let org = certinia().await;
    let milestone = milestone(&org, true);
    let outcome = put(&org.salesforce, &[status(1, &milestone)]).await;
    outcome[0].as_ref().unwrap();
    let record = org.desk.simulators.salesforce.record("pse__Milestone__c", &milestone).unwrap();
    assert_eq!(
        (record.text("pse__Billed__c"), record.text("pse__Invoice_Number__c")),
        ("true".into(), "CONF-M1".into())
    );
    org.change("pse__Milestone__c", &milestone, json!({ "pse__Billing_Hold__c": false }));
    let other = certinia().await;
    let open = self::milestone(&other, false);
    let refused = put(&other.salesforce, &[status(1, &open)]).await.remove(0).unwrap_err();
    mentions(&refused, &Class::Refused, "FIELD_CUSTOM_VALIDATION_EXCEPTION");
}

#[tokio::test]
async fn files_of_won_deals_are_named_and_fetched_where_that_is_asked_for() {
    let org = Org::with(DEALS, json!({ "documents": true })).await;
    let (won, open) = (org.deal(json!({})), org.deal(json!({ "StageName": "Prospecting" })));
    for deal in [&won, &open] {
        let file = json!({ "PathOnClient": "Signed SOW.pdf", "VersionData": "signed", "FirstPublishLocationId": deal });
        org.put("ContentVersion", "", fields(file));
    }
    let records = org.read(&mut Cursor::default()).await;
    assert_eq!(records.len(), 2, "the open deal names a contract");
    let files: Vec<_> = records.iter().flat_map(|record| org.salesforce.attached(&record.raw)).collect();
    assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["Signed SOW.pdf"]);
    assert_eq!(org.salesforce.fetch(&files[0]).await.unwrap(), b"signed");
    let unknown = AttachedFile { id: "068000000000999AAA".into(), ..files[0].clone() };
    mentions(&org.salesforce.fetch(&unknown).await.unwrap_err(), &Class::Refused, "NOT_FOUND");
    let silent = Org::start().await;
    assert!(silent.salesforce.attached(&records[0].raw).is_empty() && !silent.salesforce.brings_documents());
}

#[tokio::test]
async fn a_user_who_sees_only_what_is_shared_with_him_is_told_before_files_are_missed() {
    let org = Org::with(DEALS, json!({ "documents": true })).await;
    let may = |all: bool| org.put("UserPermissionAccess", "me", fields(json!({ "PermissionsQueryAllFiles": all })));
    may(false);
    let problems = org.salesforce.probe().await;
    assert!(problems[0].remedy.contains("Query All Files"), "{problems:?}");
    may(true);
    assert_eq!(org.salesforce.probe().await, []);
}
