//! `workbook export`, `workbook import`: the workbook of the running daemon, taken away and brought back. Whose token is sent
//! decides.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use milestoned_mapping::address;
use milestoned_mapping::counted::counted;
use serde_json::{Value, json};

use super::review::Daemon;
use super::table::{complain, say};
use super::{BAD_INPUT, Caller, FOUND};

/// What is done with a workbook.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WorkbookCommand {
    /// Terms, milestones with all legs, what is to be billed and what waits, as an Excel file.
    Export {
        /// Where to.
        #[arg(default_value = "milestoned-workbook.xlsx")]
        file: PathBuf,
        /// Only contracts with this text in their id or customer.
        #[arg(long, default_value = "")]
        contracts: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Show what an edited workbook would do; with --apply, do it.
    Import(Import),
}

/// An edited workbook.
#[derive(Debug, Clone, Args)]
pub(crate) struct Import {
    /// The edited workbook.
    file: PathBuf,
    /// Do what it says.
    #[arg(long, requires = "reason")]
    apply: bool,
    /// Why; stands in the audit trail.
    #[arg(long, requires = "apply")]
    reason: Option<String>,
    /// Both parties have signed what the change orders say; one that is not signed changes nothing yet.
    #[arg(long, requires = "apply")]
    signed: bool,
    /// Where to write the workbook with a note at each edited cell.
    #[arg(long)]
    annotated: Option<PathBuf>,
    #[command(flatten)]
    caller: Caller,
}

/// `milestoned workbook …`
pub(super) async fn workbook(config: Option<&Path>, command: WorkbookCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        WorkbookCommand::Export { file, contracts, caller } => {
            absent(&file)?;
            let path = format!("/v1/workbook?q={}", address::segment(&contracts));
            match Daemon::of(config, &caller)?.fetch(&path).await? {
                Ok(bytes) => {
                    write(&file, &bytes)?;
                    let place = file.display().to_string();
                    say(&if json {
                        json!({ "file": place, "bytes": bytes.len() }).to_string()
                    } else {
                        format!(
                            "{place} is written; edit its blue columns, and bring it back with `milestoned workbook import`"
                        )
                    });
                    Ok(ExitCode::SUCCESS)
                }
                Err(answer) => Ok(refused(&answer)),
            }
        }
        WorkbookCommand::Import(import) => bring(config, import, json).await,
    }
}

/// Refuses a place where something is already: it may be a workbook that somebody has edited.
fn absent(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        anyhow::bail!("{} is there already; give a file that is not there yet", file.display());
    }
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    made.and_then(|mut made| made.write_all(bytes))
        .map_err(|error| anyhow::anyhow!("{}: {error}; give another place", file.display()))
}

fn refused(answer: &Value) -> ExitCode {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    complain(&format!("milestoned: not taken: {}; {}", text("detail"), text("remedy")));
    let found = [403, 404, 409].iter().any(|status| answer["status"] == *status);
    ExitCode::from(if found { FOUND } else { BAD_INPUT })
}

async fn bring(config: Option<&Path>, import: Import, json: bool) -> anyhow::Result<ExitCode> {
    let bytes = match std::fs::read(&import.file) {
        Ok(bytes) => bytes,
        Err(error) => anyhow::bail!("{}: {error}; give the file that was exported and edited", import.file.display()),
    };
    if let Some(place) = &import.annotated {
        absent(place)?;
    }
    let daemon = Daemon::of(config, &import.caller)?;
    let name = import.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let looked = match daemon.send(&format!("/v1/workbook?name={}", address::segment(&name)), bytes).await? {
        Ok(looked) => looked,
        Err(answer) => return Ok(refused(&answer)),
    };
    let id = looked["id"].as_str().unwrap_or_default().to_owned();
    if let Some(place) = &import.annotated {
        match daemon.fetch(&format!("/v1/workbook/{id}/annotated")).await? {
            Ok(bytes) => write(place, &bytes)?,
            Err(answer) => return Ok(refused(&answer)),
        }
    }
    if !json {
        show(&looked);
    }
    let Some(reason) = import.reason.filter(|_| import.apply) else {
        if json {
            say(&looked.to_string());
        } else {
            say("nothing is done yet: add --apply --reason WHY, and --signed where both have signed it");
        }
        return Ok(ExitCode::SUCCESS);
    };
    let body = json!({ "seen": looked["seen"], "signed": import.signed, "reason": reason });
    match daemon.send(&format!("/v1/workbook/{id}"), serde_json::to_vec(&body)?).await? {
        Ok(came) => Ok(told(&came, json)),
        Err(answer) => Ok(refused(&answer)),
    }
}

fn show(looked: &Value) {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let count = |name: &str, noun: &str| counted(looked[name].as_u64().unwrap_or_default(), noun);
    say(&format!("{} read, {} changed by others and not here", count("rows", "row"), count("changed_since", "cell")));
    for edit in looked["edits"].as_array().into_iter().flatten() {
        let place = format!("{} row {}, {}", text(edit, "sheet"), edit["row"], text(edit, "column"));
        say(&format!(
            "{place}: {:?} -> {:?}: {}",
            text(edit, "exported"),
            text(edit, "written"),
            text(edit, "outcome")
        ));
    }
    for order in looked["orders"].as_array().into_iter().flatten() {
        let refused =
            order["refused"].as_str().map(|reason| format!(" would be refused: {reason}")).unwrap_or_default();
        say(&format!("change order for {}{refused}", text(order, "contract")));
    }
    for told in looked["told"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        say(told);
    }
}

fn told(came: &Value, json: bool) -> ExitCode {
    let all = || came.as_array().into_iter().flatten();
    if json {
        say(&came.to_string());
    } else {
        for value in all() {
            let done = if value["done"] == true { "done" } else { "not done" };
            let text = |name: &str| value[name].as_str().unwrap_or_default();
            say(&format!("{}: {} {done}: {}", text("of"), text("what"), text("text")));
        }
    }
    if all().all(|value| value["done"] == true) { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}
