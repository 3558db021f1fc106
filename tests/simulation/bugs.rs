//! `milestoned-seeded-bugs`: breaks a copy of the sources on purpose, one patch of `bugs/` after the other, and plays seeds
//! of the simulation until one is caught. A bug that no seed catches says that the simulation is too weak.

#![expect(clippy::print_stdout, reason = "a program says what it found")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use milestoned_tests::seeded::{apply, patches, tracked};
use milestoned_tests::simulation::Scope;

/// Deliberate bugs that the simulation must catch.
#[derive(Parser)]
struct Options {
    /// Seeds of each bug and scope, at most.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// Only bugs whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Folder of the copy and of what is built from it; kept, so that the next run builds less.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let folder = options.folder.unwrap_or_else(|| std::env::temp_dir().join("milestoned-seeded-bugs"));
    let tree = folder.join("tree");
    let mut missed = 0_u32;
    println!("| bug | scope | seed | condition | what was seen | seconds |\n|---|---|---|---|---|---|");
    for patch in patches()?.into_iter().filter(|patch| patch.name.contains(&options.only)) {
        copy(&tree)?;
        for (path, text) in apply(&patch)? {
            std::fs::write(tree.join(path), text)?;
        }
        build(&tree, &folder.join("target"))?;
        let started = Instant::now();
        let program = folder.join("target/debug/milestoned-simulation");
        let caught = [Scope::Vendors, Scope::Company].into_iter().find_map(|scope| {
            let caught = play(&program, scope, options.seeds).transpose()?;
            Some(caught.map(|(seed, said)| (scope, seed, said)))
        });
        let seconds = started.elapsed().as_secs();
        match caught.transpose()? {
            Some((scope, seed, said)) => {
                let (condition, said) = said.split_once(": ").unwrap_or(("-", said.as_str()));
                let (title, scope, said) = (patch.title, scope.name(), said.replace('|', "/"));
                println!("| {title} | {scope} | {seed} | {condition} | {said} | {seconds} |");
            }
            None => {
                missed = missed.saturating_add(1);
                println!("| {} | both | none of {} | | | {seconds} |", patch.title, options.seeds);
            }
        }
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Brings the copy to what is tracked; a file that is the same is not written, so that it need not be built again.
fn copy(tree: &Path) -> anyhow::Result<()> {
    for (path, bytes) in tracked()? {
        let to = tree.join(path);
        if std::fs::read(&to).ok().as_ref() != Some(&bytes) {
            std::fs::create_dir_all(to.parent().context("a file without a folder")?)?;
            std::fs::write(to, bytes)?;
        }
    }
    Ok(())
}

/// Builds quickly rather than well: a bug is found within a few hundred seeds, or not at all.
fn build(tree: &Path, target: &Path) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "milestoned-tests", "--bin", "milestoned-simulation"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        // Without it the toolchain files of dependencies would have a say.
        .envs(option_env!("RUSTUP_TOOLCHAIN").map(|toolchain| ("RUSTUP_TOOLCHAIN", toolchain)))
        .status()?;
    ensure!(status.success(), "the broken copy in {} does not build", tree.display());
    Ok(())
}

/// The first seed that fails, and how.
fn play(program: &Path, scope: Scope, seeds: u64) -> anyhow::Result<Option<(String, String)>> {
    let seeds = seeds.to_string();
    let output =
        Command::new(program).args(["--until-violation", "--scope", scope.name(), "--seeds", &seeds]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find_map(|line| line.strip_prefix("seed ")?.split_once(": "));
    let panicked =
        String::from_utf8_lossy(&output.stderr).lines().find(|line| line.contains("panicked")).map(Into::into);
    Ok(match (line, panicked) {
        (Some((seed, said)), _) => Some((seed.to_owned(), said.to_owned())),
        (None, Some(panic)) => Some(("?".to_owned(), panic)),
        (None, None) => None,
    })
}
