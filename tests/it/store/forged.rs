//! A row that milestoned has not written, or that was changed since, is never acted on, and is told.

use std::io::Write as _;

use milestoned::store::StoreError;
use milestoned::store::action::Action;
use milestoned::store::audit::Entry;
use milestoned::store::intake::{NewFact, Reading};
use milestoned::store::provider_grants::ProviderGrant;
use milestoned::store::sign_ins::{SignedIn, Way};
use milestoned::store::vocabulary::DeliveryState;
use milestoned_connector_kit::{Cursor, Page};
use milestoned_mapping::command::{Account, Command, DeliveryKey, Document, JournalEntry, JournalLine, Posting, Side};
use serde_json::json;

use super::contracts::{accepted, landing, open};
use super::integrity::leaves;
use super::{Place, invoice, later, now, on_both, to_decide};

on_both!(
    a_forged_delivery_is_parked_and_never_sent,
    of_a_thousand_kinds_of_forged_deliveries_none_is_sent,
    a_forged_fact_decides_nothing_and_is_named,
    a_forged_record_says_nothing,
    a_forged_mail_is_refused,
    more_rights_than_a_session_was_given_are_none,
    a_stream_whose_place_was_moved_is_read_from_its_beginning,
    an_attested_row_of_another_name_or_time_is_no_attested_row,
    who_takes_the_seal_off_gets_nothing_attested,
    who_teaches_the_database_to_lose_rows_is_found_out,
    what_nothing_attests_stops_nothing,
);

const LEASE: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

/// A contract with one invoice that waits.
async fn waiting(place: &Place) {
    let row = open(&place.store, "SOW-1", "Northwind Ltd").await;
    assert!(place.store.land(landing(&row, vec![invoice("A", "SOW-1", "1000.00", &[])]), now()).await.unwrap());
}

async fn refused(place: &Place, action: &str) -> Vec<String> {
    let lines = place.store.audit(None, 100).await.unwrap();
    lines.into_iter().filter(|line| line.action == action).map(|line| line.detail).collect()
}

async fn a_forged_delivery_is_parked_and_never_sent(place: Place) {
    waiting(&place).await;
    place.tamper("CREATE TABLE kept AS SELECT * FROM outbox").await;
    let copied = "INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at,
        created_at, mac) SELECT 'forged', ordinal + 1000, contract, target, kind, 'ZZ-77', replace(command, '\"A\"', '\"ZZ-77\"'),
        digest, after, 'pending', due_at, created_at, mac FROM outbox";
    for forgery in [
        "UPDATE outbox SET command = replace(command, '100000', '9900000')",
        "UPDATE outbox SET command = replace(command, '2026-04-01', '2026-03-03')",
        "UPDATE outbox SET contract = 'SOW-9'",
        "UPDATE outbox SET state = 'unknown'",
        "UPDATE outbox SET attempts = 3",
        "UPDATE outbox SET mac = NULL",
        copied,
    ] {
        place.tamper(forgery).await;
        let sent: Vec<_> = place.store.claim("netsuite".into(), 10, LEASE, later(1)).await.unwrap();
        let forged = if forgery == copied { "ZZ-77" } else { "A" };
        let sent: Vec<String> = sent.iter().map(|one| one.key.to_string()).collect();
        assert_eq!(sent.len(), usize::from(forgery == copied), "{forgery}");
        let parked = place.store.deliveries(None, &[DeliveryState::Parked]).await.unwrap();
        assert_eq!(parked.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), [forged], "{forgery}");
        assert!(parked[0].fault.as_ref().unwrap().starts_with("not attested"), "{parked:?}");
        let again =
            place.store.release_parked(parked[0].key.clone(), true, "ada".into(), "send".into(), later(2)).await;
        assert!(matches!(again, Err(StoreError::Unattested { table: "outbox", .. })), "{again:?}");
        assert!(place.store.verify_audit(Vec::new()).await.unwrap().flaw().is_some());
        if forgery != copied {
            place.tamper("DELETE FROM outbox; INSERT INTO outbox SELECT * FROM kept").await;
        }
    }
    assert_eq!(refused(&place, "delivery refused").await.len(), 7);
    place.tamper("DELETE FROM outbox WHERE key = 'forged'").await;
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None, "what was put in is taken out again");
}

/// A delivery of each kind, each to a target of its own.
fn of_each_kind() -> Vec<Posting> {
    let bill = invoice("A", "SOW-1", "1000.00", &[]);
    let Command::Invoice(document) = bill.command.clone() else { return Vec::new() };
    let amount = document.amount;
    let line = |account, side| JournalLine { account, side, amount };
    let commands = [
        Command::CreditMemo(Document { number: "A-C1".into(), original: Some("A".into()), ..document.clone() }),
        Command::Customer { name: document.customer.clone(), currency: "USD".into() },
        Command::JournalEntry(JournalEntry {
            number: "SOW-1-20260302J".into(),
            contract: "SOW-1".into(),
            customer: document.customer,
            date: document.date,
            milestone: Some("M1".into()),
            obligation: None,
            lines: vec![line(Account::DeferredRevenue, Side::Debit), line(Account::Revenue, Side::Credit)],
            memo: "M1 accepted".into(),
        }),
    ];
    let others = commands.into_iter().enumerate().map(|(place, command)| Posting {
        key: DeliveryKey::of(&[&place.to_string()]),
        target: format!("erp-{place}"),
        command,
        after: Vec::new(),
    });
    others.chain([bill]).collect()
}

/// What somebody could write over a pending delivery: every key of what it writes, and every column that says something, each
/// with many values. As assignments of SQL.
fn forgeries(posting: &Posting) -> Vec<String> {
    let whole = serde_json::to_value(&posting.command).unwrap();
    let values = json!([
        null,
        true,
        [],
        {},
        1,
        -900_000,
        90_000_000,
        "",
        "x",
        "ZZ-77",
        "900000.00",
        "2026-01-01",
        "USD",
        "EUR",
        "Contoso GmbH",
        "SOW-9",
        "M2",
        "credit",
        "debit",
        "cash",
        "invoice"
    ]);
    let mut found = Vec::new();
    for (_, place) in leaves(&whole) {
        for value in values.as_array().unwrap() {
            let mut other = whole.clone();
            let was = std::mem::replace(other.pointer_mut(&place).unwrap(), value.clone());
            found.extend((was != *value).then(|| format!("command = '{other}'")));
        }
    }
    for column in [
        "contract",
        "subject",
        "digest",
        "created_at",
        "receipt",
        "fault",
        "remedy",
        "settled_at",
        "confirmed_at",
        "lease_until",
    ] {
        found.extend(
            ["x", "ZZ-77", "SOW-9", "customer", "2026-01-01T00:00:00.000000Z", "{}"]
                .map(|value| format!("{column} = '{value}'")),
        );
    }
    found.extend(
        ["after = '[ ]'", "attempts = 7", "by_hand = NOT by_hand", "kind = 'x'", "mac = NULL", "state = 'unknown'"]
            .map(Into::into),
    );
    found
}

async fn of_a_thousand_kinds_of_forged_deliveries_none_is_sent(place: Place) {
    let row = open(&place.store, "SOW-1", "Northwind Ltd").await;
    let postings = of_each_kind();
    assert!(place.store.land(landing(&row, postings.clone()), now()).await.unwrap());
    place.tamper("CREATE TABLE kept AS SELECT * FROM outbox").await;
    let mut kinds = 0;
    for posting in &postings {
        let claim = || place.store.claim(posting.target.clone(), 10, LEASE, later(1));
        for forgery in forgeries(posting) {
            let key = &posting.key;
            let put_back = format!(
                "DELETE FROM outbox WHERE key = '{key}'; INSERT INTO outbox SELECT * FROM kept WHERE key = '{key}'"
            );
            place.tamper(&format!("{put_back}; UPDATE outbox SET {forgery} WHERE key = '{key}'")).await;
            assert_eq!(claim().await.unwrap().len(), 0, "{forgery}");
            place.tamper(&put_back).await;
            kinds += 1;
        }
        assert_eq!(claim().await.unwrap().len(), 1, "put back as it was, it is sent");
    }
    let _ = writeln!(std::io::stderr(), "{kinds} kinds of forged deliveries, and none was sent");
    assert!(kinds >= 1_000, "{kinds} kinds");
}

async fn a_forged_fact_decides_nothing_and_is_named(place: Place) {
    waiting(&place).await;
    let fact = serde_json::to_string(&accepted("M1")).unwrap();
    let at = "2026-03-02T10:00:00.000000Z";
    place
        .tamper(&format!(
            "INSERT INTO fact (contract, identity, at, learned_at, fact, actor)
             VALUES ('SOW-1', 'forged', '{at}', '{at}', '{fact}', 'cfo')"
        ))
        .await;
    let work = to_decide(&place.store).await;
    assert!(work.pending.is_empty());
    assert_eq!((work.unattested[0].identity.as_str(), work.unattested[0].actor.name()), ("forged", "cfo"));
    place.store.refuse_facts("SOW-1".into(), work.unattested, later(1)).await.unwrap();
    assert!(to_decide(&place.store).await.unattested.is_empty(), "told once");
    assert!(refused(&place, "fact refused").await[0].contains("cfo"));
    assert_eq!(place.store.parked_facts().await.unwrap().len(), 1);
    let verdict = place.store.verify_audit(Vec::new()).await.unwrap();
    assert!(verdict.findings.iter().any(|finding| finding.table == "fact"), "{:?}", verdict.findings);
}

async fn a_forged_record_says_nothing(place: Place) {
    let page = |records| Page {
        records,
        unreadable: vec![],
        next: Cursor(Default::default()),
        more: false,
        fresh_through: now(),
    };
    let record = super::input::record("1", "1");
    place.store.record_page("jira".into(), "issues".into(), page(vec![record]), None, now()).await.unwrap();
    place.tamper("UPDATE source_record SET remote_id = '2'").await;
    let stored = place.store.unread_records(10).await.unwrap().remove(0);
    assert!(stored.attested.is_none());
    place.store.settle_records(vec![(stored, Reading::default())], now()).await.unwrap();
    assert_eq!(place.store.parked_records().await.unwrap().len(), 1);
    assert_eq!(refused(&place, "record refused").await.len(), 1);
    place.store.replay_parked(None, "ada".into(), now()).await.unwrap();
    assert!(place.store.unread_records(10).await.unwrap().is_empty(), "nobody makes it speak");
}

async fn a_forged_mail_is_refused(place: Place) {
    let mail = |key: &str| (key.to_owned(), vec!["ada@vendor.example".to_owned()], "digest".to_owned());
    let (key, to, subject) = mail("one");
    place.store.add_mail(key, to, subject, b"text".to_vec(), now()).await.unwrap();
    place
        .tamper(
            "INSERT INTO mail (key, recipients, subject, message, state, due_at, created_at, mac)
             SELECT 'forged', 'ceo@vendor.example', 'wire now', message, state, due_at, '2026-01-01T00:00:00.000000Z', mac
             FROM mail",
        )
        .await;
    assert_eq!(place.store.claim_mail(later(1)).await.unwrap().unwrap().key, "one");
    assert!(place.store.claim_mail(later(1)).await.unwrap().is_none());
    assert!(refused(&place, "mail refused").await[0].contains("ceo@vendor.example"));
}

async fn more_rights_than_a_session_was_given_are_none(place: Place) {
    let session = SignedIn {
        digest: "0123456789abcdef".into(),
        person: "ada".into(),
        way: Way::Link,
        rights: serde_json::from_str("[\"view\"]").unwrap(),
        address: "127.0.0.1".into(),
        agent: "test".into(),
        authenticated_at: now(),
        opened_at: now(),
        used_at: now(),
    };
    let digest = || session.digest.clone();
    let grant = ProviderGrant {
        issuer: "https://id.example".into(),
        subject: "17".into(),
        refresh_token: Some("sealed".into()),
        confirmed_at: session.opened_at,
        asked_at: session.opened_at,
    };
    place.store.open_session(session.clone(), Some(grant.clone())).await.unwrap();
    assert!(place.store.session(digest()).await.unwrap().is_some());
    assert_eq!(place.store.provider_grant(digest()).await.unwrap(), Some(grant));
    place.tamper("UPDATE provider_grant SET confirmed_at = '2999-01-01T00:00:00Z'").await;
    assert_eq!(place.store.provider_grant(digest()).await.unwrap(), None, "nobody lengthens what a provider said");
    place.tamper("UPDATE session SET rights = '[\"view\",\"operate\"]'").await;
    assert!(place.store.session(digest()).await.unwrap().is_none());
}

async fn a_stream_whose_place_was_moved_is_read_from_its_beginning(place: Place) {
    let page = Page {
        records: vec![],
        unreadable: vec![],
        next: Cursor(Default::default()),
        more: false,
        fresh_through: now(),
    };
    let read = || place.store.record_page("jira".into(), "issues".into(), page.clone(), None, now());
    read().await.unwrap();
    assert!(place.store.watermarks("jira".into()).await.unwrap().contains_key("issues"));
    place.tamper("UPDATE watermark SET fresh_through = '2099-01-01T00:00:00.000000Z'").await;
    assert!(place.store.watermarks("jira".into()).await.unwrap().is_empty(), "nobody listened until 2099");
    read().await.unwrap();
    let marks = place.store.watermarks("jira".into()).await.unwrap();
    assert_eq!(marks["issues"].fresh_through, Some(now()));
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None, "and is attested again");
}

async fn who_takes_the_seal_off_gets_nothing_attested(place: Place) {
    waiting(&place).await;
    place.tamper("UPDATE outbox SET subject = 'ZZ-77'; UPDATE audit_head SET sealed = ''").await;
    let refused = place.opened().await.err().unwrap().to_string();
    assert!(refused.contains("seal") && refused.contains("backup"), "{refused}");
}

async fn an_attested_row_of_another_name_or_time_is_no_attested_row(place: Place) {
    waiting(&place).await;
    let told = Entry::own(Action::WrongTokens, None, "x", "");
    let (action, subject, detail) = (told.action, told.subject, told.detail);
    place.store.note(action, subject, detail, now()).await.unwrap();
    place.tamper("CREATE TABLE kept AS SELECT * FROM outbox").await;
    let claimed = place.store.claim("netsuite".into(), 10, LEASE, later(1)).await.unwrap().remove(0);
    let done = milestoned::store::outbox::Outcome::Done { receipt: super::receipt("1"), adopted: false };
    place.store.settle(vec![(claimed, done)], later(2)).await.unwrap();
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
    // The row as it was before it was sent is a row that we wrote, and not the one that there should be.
    place.tamper("DELETE FROM outbox; INSERT INTO outbox SELECT * FROM kept").await;
    let verdict = place.store.verify_audit(Vec::new()).await.unwrap();
    assert!(verdict.findings.iter().any(|one| one.what.contains("earlier time")), "{:?}", verdict.findings);
}

async fn who_teaches_the_database_to_lose_rows_is_found_out(place: Place) {
    waiting(&place).await;
    let flaw = async || place.store.verify_audit(Vec::new()).await.unwrap().flaw();
    assert_eq!(flaw().await, None);
    let (begin, end, keeper) = if place.is_postgres() {
        (
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER lose BEFORE INSERT ON fact FOR EACH ROW EXECUTE FUNCTION lose()",
            "DROP TRIGGER lose ON fact",
            "ALTER TABLE audit DISABLE TRIGGER audit_keeps_lines",
        )
    } else {
        (
            "CREATE TRIGGER lose BEFORE INSERT ON fact BEGIN SELECT RAISE(IGNORE); END",
            "DROP TRIGGER lose",
            "DROP TRIGGER audit_keeps_lines",
        )
    };
    let tell = async || {
        let (contract, identity) = ("SOW-1".into(), "told".into());
        let fact = NewFact { contract, identity, fact: accepted("M1"), actor: "tom".into() };
        place.store.add_facts(vec![fact], later(1)).await
    };
    place.tamper(begin).await;
    assert!(matches!(tell().await, Err(StoreError::NotKept { table: "fact", .. })), "nobody is told that it is known");
    assert!(flaw().await.unwrap().contains("lose"));
    place.tamper(end).await;
    assert_eq!((tell().await.unwrap(), tell().await.unwrap(), flaw().await), (1, 0, None));
    place.tamper("CREATE VIEW facts AS SELECT * FROM fact WHERE id > 1").await;
    assert!(flaw().await.unwrap().contains("facts"));
    place.tamper("DROP VIEW facts").await;
    place.tamper(keeper).await;
    assert!(flaw().await.unwrap().contains("audit_keeps_lines"));
}

async fn what_nothing_attests_stops_nothing(place: Place) {
    waiting(&place).await;
    let page = Page {
        records: Vec::new(),
        unreadable: Vec::new(),
        next: Cursor::default(),
        more: false,
        fresh_through: now(),
    };
    place.store.record_page("jira".into(), "issues".into(), page, None, now()).await.unwrap();
    place.tamper("UPDATE contract SET revision = 9223372036854775807; UPDATE watermark SET due_at = 'tomorrow'").await;
    assert_eq!(place.store.watermarks("jira".into()).await.unwrap()["issues"].due_at, None, "it is due");
    let row = place.store.contract("SOW-1".into()).await.unwrap().unwrap();
    assert!(place.store.land(landing(&row, Vec::new()), later(1)).await.unwrap(), "the contract is decided about");
}
