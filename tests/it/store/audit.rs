//! Whatever is done to the audit tables is found.

use milestoned::store::StoreError;
use milestoned::store::actor::Actor;
use milestoned::store::audit::Head;
use milestoned::store::pauses::Scope;
use milestoned::store::redact::Forget;

use milestoned_trail::export;
use sha2::{Digest, Sha256};

use super::{Place, later, now, on_both};

on_both!(
    every_edit_removal_and_insertion_of_a_line_is_found,
    a_chain_that_was_cut_off_fits_neither_its_seal_nor_a_head_kept_outside_and_nothing_is_written_on_it,
    what_was_redacted_is_gone_and_the_chain_holds,
    people_are_forgotten_and_nobody_else,
    lines_of_several_at_once_are_one_chain,
    the_tables_refuse_to_forget,
);

const LINES: i64 = 8;

fn hashed(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// A trail of eight lines, with a copy to restore it from.
async fn trail(place: &Place) -> Head {
    for (number, name) in (0..LINES / 2).zip(["one", "two", "three", "four"]) {
        let store = &place.store;
        let (actor, reason) = (Actor::from(format!("ada{number}")), format!("reason {number}"));
        store.pause(Scope::Contract, name.into(), actor.clone(), reason.clone(), later(number)).await.unwrap();
        store.resume(Scope::Contract, name.into(), actor, reason, later(number)).await.unwrap();
    }
    place.tamper("CREATE TABLE kept AS SELECT * FROM audit; CREATE TABLE kept_head AS SELECT * FROM audit_head").await;
    place.store.audit_head().await.unwrap()
}

impl Place {
    async fn restore(&self) {
        self.tamper("DELETE FROM audit; INSERT INTO audit SELECT * FROM kept").await;
        self.tamper("DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM kept_head").await;
    }

    /// An edit of a line by somebody who knows how lines are hashed: another subject, and the hash that fits it.
    async fn rewritten(&self, seq: i64) -> String {
        let lines = self.store.audit(None, LINES).await.unwrap();
        let (line, before) = (&lines[seq as usize - 1], lines.iter().find(|line| line.seq == seq - 1));
        let number = seq.to_string();
        let contract = line.contract.as_ref().map(|contract| format!("={contract}")).unwrap_or_default();
        let previous = before.map(|line| line.hash.clone()).unwrap_or_default();
        let personal = line.personal.clone().unwrap();
        let hash =
            |subject: &str| hashed(&["2", &previous, &number, &line.at, &line.action, &contract, subject, &personal]);
        assert_eq!(hash(&line.subject), line.hash, "this is how lines are hashed");
        format!("UPDATE audit SET subject = 'other', hash = '{}' WHERE seq = {seq}", hash("other"))
    }

    async fn broken_at(&self, kept: Vec<Head>) -> Option<i64> {
        self.store.verify_audit(kept).await.unwrap().broken.map(|broken| broken.seq)
    }
}

async fn every_edit_removal_and_insertion_of_a_line_is_found(place: Place) {
    let head = trail(&place).await;
    assert_eq!((head.seq, place.broken_at(vec![head.clone()]).await), (LINES, None));
    let columns = ["at", "actor", "action", "contract", "subject", "detail", "salt", "personal", "hash"];
    let mut tamperings = Vec::new();
    for seq in 1..=LINES {
        for column in columns {
            tamperings.push(format!("UPDATE audit SET {column} = {column} || 'x' WHERE seq = {seq}"));
            if ["contract", "salt", "personal"].contains(&column) {
                tamperings.push(format!("UPDATE audit SET {column} = NULL WHERE seq = {seq}"));
            }
        }
        tamperings.push(format!("UPDATE audit SET seq = 1000 WHERE seq = {seq}"));
        tamperings
            .push(format!("UPDATE audit SET salt = NULL, detail = 'other', actor = '(removed)' WHERE seq = {seq}"));
        tamperings.push(format!("DELETE FROM audit WHERE seq = {seq}"));
        // The gap closed by hand.
        tamperings.push(format!(
            "DELETE FROM audit WHERE seq = {seq}; UPDATE audit SET seq = -(seq - 1) WHERE seq > {seq};
             UPDATE audit SET seq = -seq WHERE seq < 0"
        ));
        // A copy of a line, put in after it, at the end, and in place of another.
        let copy = |to: i64| {
            format!(
                "INSERT INTO audit (seq, at, actor, action, contract, subject, detail, hash, salt, personal)
                 SELECT {to}, at, actor, action, contract, subject, detail, hash, salt, personal FROM kept WHERE seq = {seq}"
            )
        };
        tamperings.push(format!(
            "UPDATE audit SET seq = -(seq + 1) WHERE seq > {seq}; UPDATE audit SET seq = -seq WHERE seq < 0; {}",
            copy(seq + 1)
        ));
        tamperings.push(copy(LINES + 1));
        tamperings.push(copy(0));
        let next = seq % LINES + 1;
        tamperings.push(format!("DELETE FROM audit WHERE seq = {next}; {}", copy(next)));
        // Two lines change places.
        tamperings.push(format!(
            "UPDATE audit SET seq = -1 WHERE seq = {seq}; UPDATE audit SET seq = {seq} WHERE seq = {next};
             UPDATE audit SET seq = {next} WHERE seq = -1"
        ));
        // Who did it is removed as a redaction would, by somebody who tells nobody.
        tamperings
            .push(format!("UPDATE audit SET salt = NULL, actor = '(removed)', detail = '(removed)' WHERE seq = {seq}"));
        // One line is made to fit: edited, and hashed anew as the daemon does.
        tamperings.push(place.rewritten(seq).await);
    }
    tamperings.push("DELETE FROM audit_head".into());
    tamperings.push("UPDATE audit_head SET seq = seq + 1".into());
    tamperings.push("UPDATE audit_head SET hash = hash || 'x'".into());
    tamperings.push("DELETE FROM audit".into());
    for tampering in &tamperings {
        place.tamper(tampering).await;
        assert!(place.broken_at(Vec::new()).await.is_some(), "not found: {tampering}");
        place.restore().await;
    }
    assert_eq!(place.broken_at(vec![head]).await, None, "restored");
}

async fn a_chain_that_was_cut_off_fits_neither_its_seal_nor_a_head_kept_outside_and_nothing_is_written_on_it(
    place: Place,
) {
    let head = trail(&place).await;
    for last in 0..LINES {
        // Whoever knows the tables moves the head along.
        place
            .tamper(&format!(
                "DELETE FROM audit WHERE seq > {last}; UPDATE audit_head SET seq = {last},
                 hash = coalesce((SELECT hash FROM audit WHERE seq = {last}), '')"
            ))
            .await;
        assert_eq!(place.broken_at(Vec::new()).await, None, "a shorter chain is a chain");
        let findings = place.store.verify_audit(Vec::new()).await.unwrap().findings;
        assert_eq!(findings[0].table, "audit_head", "cut off after {last}: {findings:?}");
        assert_eq!(place.broken_at(vec![head.clone()]).await, Some(LINES), "cut off after {last}");
        let (told, tell) = std::sync::mpsc::channel();
        let take = move |line: &str| told.send(line.to_owned()).map_err(std::io::Error::other);
        place.store.export_audit(now(), take).await.unwrap();
        let export = tell.iter().collect::<Vec<_>>().join("\n");
        let report = export::check(export.as_bytes(), &[], &[]).unwrap();
        assert!(report.findings.iter().any(|finding| finding.contains("nobody has signed")), "{:?}", report.findings);
        let name = format!("forged {last}");
        let more = place.store.pause(Scope::Contract, name, "eve".into(), "because".into(), now()).await;
        assert!(matches!(more, Err(StoreError::Unattested { table: "audit_head", .. })), "{more:?}");
        assert!(place.store.outage().is_some(), "nothing is decided on it");
        place.restore().await;
    }
    place.store.pause(Scope::Contract, "SOW-1".into(), "ada".into(), "why".into(), now()).await.unwrap();
    assert_eq!((place.store.outage(), place.store.verify_audit(vec![head]).await.unwrap().flaw()), (None, None));
}

async fn what_was_redacted_is_gone_and_the_chain_holds(place: Place) {
    let store = &place.store;
    for (second, actor) in [(0, "ada@vendor.example"), (1, "bob@vendor.example"), (3, "ada@vendor.example")] {
        let name = format!("SOW-{second}");
        store.pause(Scope::Contract, name, actor.into(), format!("said by {actor}"), later(second)).await.unwrap();
    }
    let head = store.audit_head().await.unwrap();
    let who = Some("ada@vendor.example".into());
    let forget = Forget { actor: who, before: later(3), systems: Vec::new() };
    let forgotten = store.forget(forget, "dpo".into(), "request 7".into(), later(9)).await.unwrap();
    assert_eq!((forgotten.lines, forgotten.facts, forgotten.records), (1, 0, 0));
    let lines = store.audit(None, 10).await.unwrap();
    let shown: Vec<_> = lines.iter().map(|line| (line.actor.as_str(), line.detail.contains("ada@"))).collect();
    assert_eq!(
        shown,
        [("(removed)", false), ("bob@vendor.example", false), ("ada@vendor.example", true), ("dpo", false)]
    );
    let verdict = store.verify_audit(vec![head]).await.unwrap();
    assert_eq!((verdict.broken, verdict.lines, verdict.redacted), (None, 4, 1));
}

async fn people_are_forgotten_and_nobody_else(place: Place) {
    let store = &place.store;
    let through = "2026-02-28".parse().unwrap();
    let (by, why) = (Actor::Configuration, "periods.closed_through".to_owned());
    store.close_dates("netsuite".into(), through, by, why, now()).await.unwrap();
    for (name, actor) in [("one", Actor::Daemon), ("two", "jira".into()), ("three", "ada".into())] {
        store.pause(Scope::Contract, name.into(), actor, "why".into(), now()).await.unwrap();
    }
    let forget = Forget { actor: None, before: later(1), systems: vec!["jira".into()] };
    assert_eq!(store.forget(forget, "dpo".into(), "request 8".into(), later(2)).await.unwrap().lines, 1);
    let lines = store.audit(None, 10).await.unwrap();
    let actors: Vec<&str> = lines.iter().map(|line| line.actor.as_str()).collect();
    assert_eq!(actors, ["configuration", "milestoned", "jira", "(removed)", "dpo"]);
}

async fn lines_of_several_at_once_are_one_chain(place: Place) {
    let stores = [place.store.clone(), place.again().await, place.again().await];
    let acts = (0..60).zip(stores.iter().cycle()).map(|(number, store)| {
        store.pause(Scope::Contract, format!("SOW-{number}"), "ada".into(), String::new(), now())
    });
    assert!(futures_util::future::try_join_all(acts).await.unwrap().into_iter().all(|new| new));
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().lines, 60);
}

async fn the_tables_refuse_to_forget(place: Place) {
    place.store.pause(Scope::Target, "netsuite".into(), "ada".into(), "why".into(), now()).await.unwrap();
    for sql in ["DELETE FROM audit", "UPDATE audit SET subject = 'other'"] {
        assert!(place.refuses(sql).await, "{sql} went through");
    }
    assert_eq!(place.store.verify_audit(Vec::new()).await.unwrap().lines, 1);
}
