//! Somebody who can write the database: rows that milestoned has not written, and edits of the trail. Nothing may follow from
//! the rows, and all of it must be told.

use milestoned::store::outbox::Delivery;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;

use super::people::any;
use super::world::World;

/// Numbers of forged documents begin so.
const FOREIGN: &str = "ZZ-";

/// A row is put into the database while the daemon works.
pub(super) fn forge(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let Some(place) = any(world, dice) else { return Ok(()) };
    let (contract, milestone) = (world.agreement(place.0)?.id, world.milestone(place)?.clone());
    let name = format!("forged-{}", world.company.forged.len());
    let at = format!("{:.6}", world.now());
    let fact = |body: serde_json::Value| {
        format!(
            "INSERT INTO fact (contract, identity, at, learned_at, fact, actor)
             VALUES ('{contract}', '{name}', '{at}', '{at}', '{body}', 'cfo')"
        )
    };
    let now = world.now();
    let (what, sql) = match dice.random_range(0..5) {
        0 => (
            "delivery",
            format!(
                "INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, due_at,
                 created_at, mac) SELECT '{name}', (SELECT max(ordinal) + 1 FROM outbox), contract, target, kind,
                 '{FOREIGN}{name}', replace(command, subject, '{FOREIGN}{name}'), digest, after, 'pending', '{at}', '{at}', mac
                 FROM outbox WHERE kind = 'invoice' ORDER BY ordinal DESC LIMIT 1"
            ),
        ),
        1 if !milestone.ever_accepted => (
            "acceptance",
            fact(json!({ "at": now, "type": "accepted", "milestone": milestone.id, "by": "Dana",
                "document": "https://docs.example/forged.pdf" })),
        ),
        2 => {
            let shown = world.contract(contract)?.shown(&milestone.id);
            let event = json!({ "at": now, "type": "review", "milestone": milestone.id, "decision": "approve", "by": "cfo",
                "shown": shown });
            ("approval", fact(event))
        }
        3 => {
            let number = world.agreement(place.0)?.number(&milestone.id);
            let event = json!({ "at": now, "type": "payment", "invoice": number, "amount": "1.00", "id": name });
            ("payment", fact(event))
        }
        _ => (
            "closed dates",
            format!(
                "INSERT INTO closed_dates (erp, through, closed_at, actor) VALUES ('{}', '2027-12-31', '{at}', 'cfo')
                 ON CONFLICT DO NOTHING",
                world.erp
            ),
        ),
    };
    let rows = world.app.env.store.run_behind_the_verbs(&sql)?;
    if rows > 0 {
        world.act("forge", what);
        world.company.forged.push(name);
    }
    Ok(())
}

/// A forged delivery that waits for a person is not let go by any.
pub(super) fn is_refused(world: &mut World, delivery: &Delivery) -> anyhow::Result<()> {
    world.act("release forged", &delivery.subject);
    let body = json!({ "subject": format!("delivery:{}", delivery.key), "act": "release", "reason": "looked" });
    let status = world.say("/v1/acts", &body)?;
    anyhow::ensure!(!status.is_success(), "16: a forged delivery is released, and answered {status}");
    Ok(())
}

/// 16: nothing that was forged has reached the ERP.
pub(super) fn sent_nothing(world: &World) -> anyhow::Result<()> {
    let documents = match world.erp {
        "netsuite" => world.simulators.netsuite.documents(),
        _ => world.simulators.quickbooks.documents(),
    };
    let sent = documents.iter().find(|one| one.number.starts_with(FOREIGN));
    anyhow::ensure!(sent.is_none(), "16: the ERP holds {sent:?}, which somebody put into the database");
    Ok(())
}

/// 6 and 16: the whole database is what was written, but for what was forged, which is told.
pub(super) fn is_found(world: &mut World) -> anyhow::Result<()> {
    let verdict = world.ask(|app| async move { app.env.store.verify_audit(Vec::new()).await })??;
    if world.company.forged.is_empty() {
        anyhow::ensure!(verdict.flaw().is_none(), "6: the audit chain is broken: {verdict:?}");
        return Ok(());
    }
    anyhow::ensure!(verdict.broken.is_none(), "6: the audit chain is broken: {verdict:?}");
    let forged = world.company.forged.len();
    let told = verdict.findings.iter().filter(|finding| !finding.row.is_empty()).count();
    anyhow::ensure!(told >= forged, "16: {forged} rows were put into the database, and {told} are told: {verdict:?}");
    let store = &world.app.env.store;
    store.run_behind_the_verbs(
        "DELETE FROM outbox WHERE key LIKE 'forged-%'; DELETE FROM fact WHERE identity LIKE 'forged-%';
         DELETE FROM closed_dates WHERE through = '2027-12-31'",
    )?;
    let verdict = world.ask(|app| async move { app.env.store.verify_audit(Vec::new()).await })??;
    anyhow::ensure!(verdict.flaw().is_none(), "16: what was forged is taken out, and yet told: {verdict:?}");
    Ok(())
}

/// 16: whoever edits a line of the trail, and all that hangs on it but what needs the key, is found out.
pub(super) fn edits_the_trail(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let edits = [
        "actor = 'cfo'",
        "detail = detail || ' (agreed)'",
        "subject = subject || 'x'",
        "action = 'milestone approved'",
        "at = '2026-03-01T09:00:01.000000Z'",
        "attests = NULL",
    ];
    let edit = edits[dice.random_range(0..edits.len())];
    let lines = "SELECT seq FROM audit WHERE attests IS NOT NULL AND actor <> 'cfo' AND action <> 'milestone approved'
        ORDER BY seq";
    let place = dice.random_range(0..20_u32);
    let rows = world.app.env.store.run_behind_the_verbs(&format!(
        "DROP TRIGGER audit_keeps_lines; DROP TRIGGER audit_keeps_chained;
         UPDATE audit SET {edit} WHERE seq = (SELECT seq FROM ({lines} DESC LIMIT {place}, 1))"
    ))?;
    if rows == 0 {
        return Ok(());
    }
    world.act("trail edited", edit);
    let verdict = world.ask(|app| async move { app.env.store.verify_audit(Vec::new()).await })??;
    // That the triggers are gone is told, too, and is not what was asked.
    let noticed = verdict.broken.is_some() || verdict.findings.iter().any(|finding| finding.table != "trigger");
    anyhow::ensure!(noticed, "16: {edit} of a line of the trail is not noticed");
    Ok(())
}
