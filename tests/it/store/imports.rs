//! A workbook that was brought is kept as it was, is confirmed once, and says once what came of it.

use milestoned::store::actor::Actor;
use milestoned::store::imports::Import;

use super::{Place, later, now, on_both};

on_both!(a_workbook_is_confirmed_once, a_workbook_whose_edits_were_changed_is_not_known);

fn import() -> Import {
    Import {
        id: "one".into(),
        name: "edited.xlsx".into(),
        actor: "ada".into(),
        brought_at: now(),
        digest: "d1".into(),
        about: "{}".into(),
        edits: "[]".into(),
        confirmed_at: None,
        outcome: None,
    }
}

async fn a_workbook_is_confirmed_once(place: Place) {
    place.store.keep_import(import()).await.unwrap();
    assert_eq!(place.store.import("one".into()).await.unwrap(), Some(import()));
    assert_eq!(place.store.import("other".into()).await.unwrap(), None);
    let confirm =
        |seconds| place.store.confirm_import("one".into(), (Actor::from("ada"), "as agreed".into()), later(seconds));
    assert!(confirm(1).await.unwrap() && !confirm(2).await.unwrap());
    for outcome in ["[1]", "[2]"] {
        place.store.finish_import("one".into(), outcome.into()).await.unwrap();
    }
    let known = place.again().await.import("one".into()).await.unwrap().unwrap();
    assert_eq!((known.confirmed_at, known.outcome.as_deref()), (Some(later(1)), Some("[1]")));
    let lines = place.store.audit(None, 10).await.unwrap();
    let said: Vec<_> = lines.iter().map(|line| (line.action.as_str(), line.actor.as_str())).collect();
    assert_eq!(said, [("workbook brought", "ada"), ("workbook confirmed", "ada")]);
}

async fn a_workbook_whose_edits_were_changed_is_not_known(place: Place) {
    place.store.keep_import(import()).await.unwrap();
    place.tamper("UPDATE workbook_import SET edits = '[{}]'").await;
    assert_eq!(place.store.import("one".into()).await.unwrap(), None);
}
