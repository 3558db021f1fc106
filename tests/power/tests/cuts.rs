//! Some thousand power cuts with every test run; more by the program.

#[test]
fn no_power_cut_loses_what_was_acknowledged_or_leaves_half_of_anything() {
    let report = milestoned_power::run(1, 3_000).expect("the store can be made");
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.cuts >= 3_000 && report.acknowledged > 1_000 && report.survivors > 0, "{report:?}");
}

/// The harness has teeth: a database that does not sync every commit loses acknowledged rows.
#[test]
fn a_database_that_syncs_less_loses_what_was_acknowledged() {
    use milestoned_power::disk::{Disk, with};
    use rand::SeedableRng;

    fn connect() -> rusqlite::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open("file:m.db?vfs=power")?;
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        Ok(connection)
    }
    milestoned_power::vfs::register().expect("registered");
    let mut dice = rand::rngs::StdRng::seed_from_u64(1);
    let mut lost = 0;
    for cut in 5..200 {
        with(|disk| *disk = Disk::default());
        connect().and_then(|database| database.execute_batch("CREATE TABLE n (n INTEGER PRIMARY KEY)")).expect("made");
        with(|disk| disk.cut_at(Some(cut)));
        let mut acknowledged = 0;
        let work = |acknowledged: &mut i64| -> rusqlite::Result<()> {
            let database = connect()?;
            for n in 1.. {
                database.execute("INSERT INTO n VALUES (?1)", [n])?;
                *acknowledged = n;
            }
            Ok(())
        };
        work(&mut acknowledged).expect_err("the power fails");
        with(|disk| disk.restart(&mut dice));
        let kept: i64 = connect()
            .and_then(|database| database.query_row("SELECT coalesce(max(n), 0) FROM n", [], |row| row.get(0)))
            .expect("opened again");
        lost += i64::from(kept < acknowledged);
    }
    assert!(lost > 10, "only {lost} of 195 cuts lost an acknowledged row");
}

/// Whoever was interrupted in bringing a database to this version goes on where it stopped.
#[test]
fn a_power_cut_at_any_call_while_a_database_is_made_leaves_one_that_can_be_opened() {
    use milestoned::store::{Key, Store};
    use milestoned_power::disk::{Disk, with};
    use rand::SeedableRng;

    let open = || Store::in_this_thread("file:m.db?vfs=power", Key::of([7; 32]), |_| Box::pin(std::future::ready(())));
    milestoned_power::vfs::register().expect("registered");
    let mut dice = rand::rngs::StdRng::seed_from_u64(1);
    for cut in 1.. {
        with(|disk| *disk = Disk::default());
        with(|disk| disk.cut_at(Some(cut)));
        drop(open());
        if !with(|disk| disk.is_dead()) {
            assert!(cut > 10, "a database is made in {cut} calls");
            return;
        }
        with(|disk| disk.restart(&mut dice));
        if let Err(error) = open() {
            panic!("cut at call {cut}: {error:?}");
        }
    }
}
