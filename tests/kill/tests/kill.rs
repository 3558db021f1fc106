//! The real binary with every test run: some kills on each store, and one death at each named step; more by the program.

use milestoned_kill::daemon::Program;
use milestoned_kill::script::Script;
use milestoned_kill::{kills, places};
use milestoned_tests::postgres::cluster;

const SCRIPT: Script = Script { contracts: 6 };

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_milestoned-kill").into())
}

#[tokio::test]
async fn killed_at_any_moment_and_at_every_named_step_it_ends_like_an_undisturbed_run() {
    let (program, quiet) = (program(), |_| {});
    let reference = kills::reference(&program, SCRIPT).await.unwrap();
    assert!(reference.invoices() >= 12, "{reference:?}");
    let sqlite = async { kills::run(&program, SCRIPT, &reference, None, (1, 12), &quiet).await.unwrap() };
    let named = async { places::run(&program, SCRIPT, &reference, None, &[1], &quiet).await.unwrap() };
    let server = async {
        let cluster = cluster()?;
        Some(kills::run(&program, SCRIPT, &reference, Some(cluster), (1, 12), &quiet).await.unwrap())
    };
    let (sqlite, named, server) = tokio::join!(sqlite, named, server);
    for report in std::iter::once(sqlite).chain(server) {
        assert_eq!(report.violations, Vec::<String>::new());
        assert!(report.kills >= 12 && report.taken > 10, "{report:?}");
    }
    assert_eq!(named.violations, Vec::<String>::new());
}
