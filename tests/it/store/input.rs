//! What came in stays in, once: pages with their cursor, hints, tokens, mails, files.

use milestoned::store::agreement_files::Seen;
use milestoned::store::intake::{Followed, NewFact, Reading, Watermark};
use milestoned::store::leg_parts::LegContribution;
use milestoned::store::mails::MailOutcome;
use milestoned::store::mails::MailState;
use milestoned::store::marks::Mark;
use milestoned::store::pauses::Scope;
use milestoned_connector_kit::{Census, Cursor, Hint, Page, Unreadable};
use milestoned_mapping::fact::Leg;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::record::{Content, SourceRecord};

use super::contracts::{accepted, open};
use super::{Place, later, now, on_both, to_decide};

on_both!(
    a_page_and_its_cursor_are_stored_together_and_once,
    a_failed_poll_keeps_cursor_and_freshness,
    a_hint_is_stored_once_and_survives_until_it_was_followed,
    a_reading_lands_whole_and_a_newer_one_replaces_it,
    what_was_parked_is_read_again_where_it_can_be_read,
    what_was_parked_of_a_record_that_is_gone_is_not_read_again,
    a_rotated_token_is_the_one_that_is_used,
    after_keys_were_exchanged_the_former_one_is_needed_no_more_and_makes_no_row,
    a_mail_is_taken_once_and_never_again_after_doubt,
    a_file_is_remembered_with_what_is_wrong,
    text_of_any_kind_comes_back_as_it_went_in,
    a_census_hints_at_what_it_did_not_name_unless_that_is_too_much,
);

pub(crate) fn record(id: &str, version: &str) -> SourceRecord {
    SourceRecord {
        system: "jira".into(),
        object: "issue".into(),
        id: id.into(),
        version: version.into(),
        at: now(),
        raw: "{}".into(),
        content: Content::Fields { history: Vec::new() },
    }
}

fn page(records: Vec<SourceRecord>, cursor: &str, more: bool) -> Page {
    let next = Cursor([("after".to_owned(), cursor.to_owned())].into());
    Page { records, unreadable: Vec::new(), next, more, fresh_through: later(-1) }
}

impl Place {
    async fn record(&self, page: Page) -> usize {
        self.store.record_page("jira".into(), "issues".into(), page, None, now()).await.unwrap()
    }

    async fn mark(&self) -> Watermark {
        self.store.watermarks("jira".into()).await.unwrap().remove("issues").unwrap()
    }

    async fn read(&self, reading: Reading) {
        let stored = self.store.unread_records(10).await.unwrap().remove(0);
        self.store.settle_records(vec![(stored, reading)], now()).await.unwrap();
    }
}

async fn a_page_and_its_cursor_are_stored_together_and_once(place: Place) {
    assert_eq!(place.record(page(vec![record("1", "a"), record("2", "a")], "2", true)).await, 2);
    let mark = place.mark().await;
    assert_eq!((mark.cursor.0["after"].as_str(), mark.fresh_through), ("2", None));
    assert_eq!(place.record(page(vec![record("2", "a"), record("2", "b")], "3", false)).await, 1);
    let mark = place.mark().await;
    assert_eq!((mark.cursor.0["after"].as_str(), mark.fresh_through), ("3", Some(later(-1))));
    let unread: Vec<_> =
        place.store.unread_records(10).await.unwrap().into_iter().map(|one| one.record.version).collect();
    assert_eq!(unread, ["a", "a", "b"]);
}

async fn a_failed_poll_keeps_cursor_and_freshness(place: Place) {
    let fail = async |seconds| {
        let fault = "503".to_owned();
        place.store.poll_failed("jira".into(), "issues".into(), fault, later(60), later(seconds)).await.unwrap();
        place.mark().await
    };
    assert_eq!(fail(0).await.attempts, 1);
    place.record(page(Vec::new(), "7", false)).await;
    fail(1).await;
    let mark = fail(2).await;
    assert_eq!((mark.cursor.0["after"].as_str(), mark.fresh_through), ("7", Some(later(-1))));
    assert_eq!((mark.attempts, mark.fault.as_deref(), mark.due_at), (2, Some("503"), Some(later(60))));
    let health = place.store.streams().await.unwrap().remove(0);
    assert!(health.fault_since == Some(later(1)), "since the first failure");
    place.store.poll_now().await.unwrap();
    assert_eq!(place.mark().await.due_at, None);
}

async fn a_hint_is_stored_once_and_survives_until_it_was_followed(place: Place) {
    let hints = || ["1", "2"].map(|id| Hint { object: "issue".into(), id: id.into() }).to_vec();
    let other = place.again().await;
    let (one, two) = tokio::join!(
        place.store.hints_received("jira".into(), "delivery".into(), hints(), now()),
        other.hints_received("jira".into(), "delivery".into(), hints(), now()),
    );
    assert_eq!(one.unwrap() + two.unwrap(), 2);
    let due = place.again().await.hints_due("jira".into(), now(), 10).await.unwrap();
    assert_eq!(due.len(), 2);
    let followed = [(due[0].id, Err(later(60))), (due[1].id, Ok(vec![record("2", "a")]))];
    let followed = followed.map(|(hint, outcome)| Followed { hints: vec![hint], outcome });
    place.store.hints_followed(followed.to_vec(), now()).await.unwrap();
    assert!(place.store.hints_due("jira".into(), later(59), 10).await.unwrap().is_empty());
    let due = place.store.hints_due("jira".into(), later(60), 10).await.unwrap();
    assert_eq!((due.len(), due[0].hint.id.as_str(), due[0].attempts), (1, "1", 1));
    assert_eq!(place.store.unread_records(10).await.unwrap().len(), 1);
}

pub(crate) fn part(contract: &str, text: &str) -> LegContribution {
    let (contract, milestone, part) = (contract.to_owned(), Some("M1".to_owned()), text.to_owned());
    LegContribution { contract, leg: Leg::Psa, milestone, part, unposted: None }
}

async fn a_reading_lands_whole_and_a_newer_one_replaces_it(place: Place) {
    let store = &place.store;
    open(store, "SOW-1", "Northwind Ltd").await;
    let fact = NewFact { contract: "SOW-1".into(), identity: "a".into(), fact: accepted("M1"), actor: "dana".into() };
    place.record(page(vec![record("1", "a"), record("1", "b"), record("1", "c")], "1", false)).await;
    let whole = Reading {
        contract: Some("SOW-1".into()),
        part: Some(part("SOW-1", r#"{"id":"M1"}"#)),
        facts: vec![fact],
        ..Reading::default()
    };
    place.read(whole).await;
    let work = to_decide(store).await;
    assert_eq!((work.pending.len(), work.parts.psa.len()), (1, 1));
    assert_eq!(work.records["M1"], [("jira".to_owned(), "1".to_owned())]);
    let problem = Problem::new("status", "unknown", "map it");
    place.read(Reading { contract: Some("SOW-1".into()), problems: vec![problem], ..Reading::default() }).await;
    assert_eq!(store.parked_records().await.unwrap()[0].problems[0].remedy, "map it");
    place.read(Reading { part: Some(part("SOW-9", r#"{"id":"M1"}"#)), ..Reading::default() }).await;
    assert!(store.parked_records().await.unwrap().is_empty(), "a newer version supersedes what was parked");
    let work = to_decide(store).await;
    assert!(work.parts.psa.is_empty() && work.row.revision >= 2, "the part went to another contract");
    let unfiled = store.unfiled().await.unwrap();
    assert_eq!((unfiled[0].contract.as_str(), unfiled[0].systems.as_str()), ("SOW-9", "jira"));
}

async fn what_was_parked_is_read_again_where_it_can_be_read(place: Place) {
    let store = &place.store;
    let unreadable =
        Unreadable { object: "issue".into(), id: "2".into(), reason: "no JSON".into(), raw: "<html>".into() };
    let mut page = page(vec![record("1", "a")], "1", false);
    page.unreadable = vec![unreadable.clone(), unreadable];
    place.record(page).await;
    let problem = Problem::new("p", "r", "m");
    place.read(Reading { problems: vec![problem], ..Reading::default() }).await;
    assert_eq!(store.parked_records().await.unwrap().len(), 2, "the same unreadable bytes are one version");
    assert_eq!(store.replay_parked(None, "ada".into(), now()).await.unwrap(), 1);
    assert_eq!(store.unread_records(10).await.unwrap()[0].record.id, "1");
}

/// An issue and its clone are gone together: the first frees what waited for it, the second is not brought back by that.
async fn what_was_parked_of_a_record_that_is_gone_is_not_read_again(place: Place) {
    open(&place.store, "SOW-1", "Northwind Ltd").await;
    let part = |milestone: &str| {
        let (contract, milestone) = ("SOW-1".to_owned(), Some(milestone.to_owned()));
        LegContribution { contract, leg: Leg::Psa, milestone, part: "{}".into(), unposted: None }
    };
    let stands_for = |milestone: &str| Reading { part: Some(part(milestone)), ..of_contract() };
    place.record(page(vec![record("1", "a"), record("2", "a"), record("3", "a")], "3", false)).await;
    for milestone in ["M1", "M1", "M2"] {
        place.read(stands_for(milestone)).await;
    }
    assert_eq!(place.store.parked_records().await.unwrap().len(), 1, "two stand for M1");
    place.record(page(vec![record("3", "gone"), record("2", "gone")], "4", false)).await;
    place.read(of_contract()).await;
    place.read(of_contract()).await;
    let again: Vec<String> =
        place.store.unread_records(10).await.unwrap().into_iter().map(|one| one.record.id).collect();
    assert_eq!(again, Vec::<String>::new());
    assert_eq!(place.store.parked_records().await.unwrap().len(), 0);
}

fn of_contract() -> Reading {
    Reading { contract: Some("SOW-1".into()), ..Reading::default() }
}

async fn a_rotated_token_is_the_one_that_is_used(place: Place) {
    let token = async |store: &milestoned::store::Store| store.token("qbo".into(), "refresh".into()).await.unwrap();
    assert_eq!(token(&place.store).await, None);
    for value in ["one", "two"] {
        place.store.store_token("qbo".into(), "refresh".into(), value.into(), now()).await.unwrap();
        assert_eq!(token(&place.again().await).await.as_deref(), Some(value));
    }
    // Whoever was stopped in the middle of a rotation comes too late: what the others live on stays.
    let replace = async |was: Option<&str>, value: &str| {
        let (place, name) = (&place.store, ("qbo".to_owned(), "refresh".to_owned()));
        place.replace_token(name, was.map(str::to_owned), value.into(), now()).await.unwrap()
    };
    assert!(replace(Some("two"), "three").await);
    assert!(!replace(Some("two"), "stale").await && !replace(None, "stale").await);
    assert_eq!(token(&place.store).await.as_deref(), Some("three"));
    // Whoever reads the database cannot use it, and whoever writes there cannot put in another one.
    place.tamper("UPDATE token SET value = 'found' WHERE value LIKE '%three%'").await;
    assert_eq!(token(&place.store).await.as_deref(), Some("three"));
    place.tamper("UPDATE token SET value = 'another'").await;
    assert_eq!(token(&place.store).await, None);
}

async fn after_keys_were_exchanged_the_former_one_is_needed_no_more_and_makes_no_row(place: Place) {
    let (old, new) = ("07".repeat(32), "08".repeat(32));
    place.store.pause(Scope::Contract, "SOW-1".into(), "ada".into(), "why".into(), now()).await.unwrap();
    let both = place.opened_with(&new, Some(&old)).await.unwrap();
    assert_eq!(both.verify_audit(Vec::new()).await.unwrap().flaw(), None);
    drop(both);
    let alone = place.opened_with(&new, None).await.unwrap();
    assert_eq!(alone.verify_audit(Vec::new()).await.unwrap().flaw(), None);
    assert!(place.opened().await.is_err(), "who has the former key alone opens nothing");
}

async fn a_mail_is_taken_once_and_never_again_after_doubt(place: Place) {
    let store = &place.store;
    let add = async || {
        let to = vec!["a@x".into(), "b@x".into()];
        store.add_mail("k".into(), to, "Digest".into(), vec![0, 255], now()).await.unwrap()
    };
    assert!(add().await && !add().await);
    let mail = store.claim_mail(now()).await.unwrap().unwrap();
    assert_eq!((mail.recipients.len(), mail.message.as_slice()), (2, &[0, 255][..]));
    assert!(store.claim_mail(now()).await.unwrap().is_none());
    let again = MailOutcome::Again(later(60), "greylisted".into());
    store.settle_mail("k".into(), again, now()).await.unwrap();
    assert_eq!(store.next_mail().await.unwrap(), Some(later(60)));
    assert_eq!(store.claim_mail(later(60)).await.unwrap().unwrap().attempts, 1);
    assert_eq!(store.release_mails(later(61)).await.unwrap(), 1);
    assert!(store.claim_mail(later(3600)).await.unwrap().is_none() && !add().await);
    assert_eq!(store.mails(1).await.unwrap()[0].state, MailState::Unknown);
    assert_eq!(store.mark(Mark::Digest, now()).await.unwrap(), now());
    store.move_mark(Mark::Digest, later(5)).await.unwrap();
    assert_eq!(store.mark(Mark::Digest, now()).await.unwrap(), later(5));
}

async fn a_file_is_remembered_with_what_is_wrong(place: Place) {
    let store = &place.store;
    for (digest, problem) in [("1", Some("no total")), ("2", None)] {
        let seen =
            store.agreement_file_seen("a.toml".into(), Seen::Text(digest.into()), None, problem.map(Into::into), now());
        seen.await.unwrap();
        assert_eq!(store.agreement_file("a.toml".into()).await.unwrap().unwrap().seen, Seen::Text(digest.into()));
        assert_eq!(store.file_problems().await.unwrap().len(), usize::from(problem.is_some()));
    }
}

async fn text_of_any_kind_comes_back_as_it_went_in(place: Place) {
    // Order is byte by byte on both, whatever the database's locale says: replay depends on it.
    let names = ["Zürich", "a'b\"c", "B", "a", "ß\u{1F9FE}", "\u{7f}", "a;--", "%_"];
    for name in names {
        open(&place.store, name, name).await;
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let known: Vec<_> = place.store.contracts().await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(known, sorted);
    assert_eq!(place.store.contract_count().await.unwrap(), 8);
}

async fn a_census_hints_at_what_it_did_not_name_unless_that_is_too_much(place: Place) {
    let store = &place.store;
    let mut gone = record("5", "b");
    gone.content = Content::Gone;
    let known = ["1", "2", "3", "4", "5"].map(|id| record(id, "a")).to_vec();
    place.record(page([known, vec![gone]].concat(), "1", false)).await;
    for (named, counted) in
        [(&["1", "2", "3"][..], (4, 1, false)), (&["1"], (4, 3, true)), (&["1", "2", "3", "4"], (4, 0, false))]
    {
        let ids: Vec<String> = named.iter().map(|id| (*id).to_owned()).collect();
        let census = Census { object: "issue".into(), ids, next: Cursor::default(), more: false };
        for first in [true, false] {
            store.census_page("jira".into(), "issues".into(), census.clone(), first, now()).await.unwrap();
        }
        let end =
            store.census_end("jira".into(), "issues".into(), vec!["issue".into()], 50, later(60), now()).await.unwrap();
        assert_eq!((end.known, end.missing, end.braked), counted);
    }
    let hinted = store.hints_due("jira".into(), now(), 10).await.unwrap();
    assert_eq!(hinted.iter().map(|one| one.hint.id.as_str()).collect::<Vec<_>>(), ["4"]);
}
