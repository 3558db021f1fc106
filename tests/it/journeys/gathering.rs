//! What pages look at is read in parts, and reports for the rows that are shown.

use milestoned::report::close::Month;
use milestoned::report::performance::{self, Report, Rows};
use milestoned::review::snapshot::{Gathering, Snapshot, Snapshots};
use milestoned_tests::World;

use super::figures::company;

#[tokio::test]
async fn contracts_are_read_in_parts_and_until_all_are_read_there_is_no_figure() {
    let world = company(1).await;
    let env = &world.app.env;
    let parts = Snapshots::reading(4);
    for read in [4, 8] {
        assert_eq!(parts.look(env).await.unwrap().err(), Some(Gathering { read, of: 9 }));
    }
    let (in_parts, at_once) = (parts.look(env).await.unwrap().unwrap(), Snapshots::default().now(env).await.unwrap());
    let told = |snapshot: &Snapshot| {
        let summaries = snapshot.contracts.values().map(|line| serde_json::to_value(line.brief.summary()).unwrap());
        let subjects = snapshot.items.iter().map(|entry| entry.subject.to_string());
        (summaries.collect::<Vec<_>>(), subjects.collect::<Vec<_>>())
    };
    assert_eq!(told(&in_parts), told(&at_once));
    assert_eq!((at_once.contracts.len(), at_once.items.is_empty()), (9, false));
}

async fn report(world: &World, snapshot: &Snapshot, what: (&str, &str), rows: Rows) -> Report {
    let (month, today) = ("2026-03".parse::<Month>().unwrap(), jiff::civil::date(2026, 6, 1));
    performance::named(&world.app.env, snapshot, what, (month, today), rows).await.unwrap()
}

#[tokio::test]
async fn the_pages_of_a_report_are_its_rows_in_their_order() {
    let world = company(2).await;
    let snapshot = Snapshots::default().now(&world.app.env).await.unwrap();
    let mut most = 0;
    for what in
        [("cases", "cycle-time"), ("cases", "first-send"), ("cases", "period"), ("cohort", ""), ("forecast", "")]
    {
        let all = report(&world, &snapshot, what, Rows::All).await;
        most = most.max(all.count);
        assert!(all.count > 0, "{what:?}");
        let mut paged = Vec::new();
        for page in 1..=all.count.div_ceil(2) {
            let page = report(&world, &snapshot, what, Rows::Page(page, 2)).await;
            assert_eq!((page.count, &page.sums, &page.list.sums), (all.count, &all.sums, &all.list.sums));
            paged.extend(page.list.rows);
        }
        assert_eq!(paged, all.list.rows, "{what:?}");
        assert_eq!(all.count, all.list.rows.len());
    }
    assert!(most > 4, "nothing has three pages");
}
