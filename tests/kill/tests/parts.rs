//! The real binary of which a part dies: it ends, and says which.

use std::time::{Duration, Instant};

use milestoned_kill::daemon::{Daemon, Program};
use milestoned_kill::world::{World, pause};

#[tokio::test]
async fn a_loop_that_panics_ends_the_process_with_its_own_code_and_its_name_in_the_log() {
    let world = World::start(None).await.unwrap();
    let program = Program::at(env!("CARGO_BIN_EXE_milestoned-kill").into());
    let mut command = program.command(&world);
    command.env("MILESTONED_PANIC_AT", "deciding:3");
    let mut daemon = Daemon::spawn(command, world.url(), &world.log()).unwrap();
    let begin = Instant::now();
    while daemon.is_alive() && begin.elapsed() < Duration::from_secs(60) {
        pause(Duration::from_millis(20)).await;
    }
    let log = std::fs::read_to_string(world.log()).unwrap();
    assert_eq!(daemon.ended().and_then(|status| status.code()), Some(70), "{log}");
    assert!(log.contains("part=\"decisions\"") && log.contains("a harness wants a panic"), "{log}");
}
