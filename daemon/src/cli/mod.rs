//! The command line: what it takes, and which function answers.

pub mod check;
pub mod contract;
pub mod review;
pub mod run;
pub mod status;
pub mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::app::App;
use crate::clock::SystemClock;
use crate::settings::Settings;

/// Turns accepted work into correct invoices and revenue, between CRM, project tools and ERP.
#[derive(Debug, Parser)]
#[command(name = "milestoned", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file; without it defaults and MILESTONED__… variables count.
    #[arg(long, short, global = true, env = "MILESTONED_CONFIG")]
    config: Option<PathBuf>,
    /// JSON for machines instead of tables for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check configuration, credentials, reachability and field maps; every problem at once.
    Check,
    /// Contracts.
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Play a year of milestone billing against simulators on this machine.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Options),
    /// The exception digest.
    Digest {
        /// Send it now, whatever the schedule says.
        #[arg(long)]
        send: bool,
    },
    /// Open exceptions, with what they hold back and what to do.
    Exceptions {
        /// Of one contract.
        #[arg(long)]
        contract: Option<String>,
        /// Closed ones too.
        #[arg(long)]
        all: bool,
    },
    /// Every write that would be made now, with its key, without making it.
    Plan,
    /// Rebuild state from facts.
    Replay {
        /// Compare with the stored state; differences end in exit code 1.
        #[arg(long)]
        check: bool,
    },
    /// Decisions of a reviewer.
    #[command(subcommand)]
    Review(ReviewCommand),
    /// The daemon.
    Run,
    /// Play one case through the rules, without network or database.
    Simulate {
        /// TOML or JSON, by extension.
        file: PathBuf,
    },
    /// How the daemon is doing: streams, deliveries, what is parked.
    Status,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Walk the hash chain: any edit, removal or insertion ends in exit code 1.
    Verify,
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// All contracts.
    List,
    /// One contract: milestones, documents, journal, exceptions, deliveries.
    Show {
        /// Contract id.
        id: String,
    },
}

/// Who decides, and why.
#[derive(Debug, Clone, Args)]
pub struct Reviewer {
    /// Who decides; stands in the audit trail.
    #[arg(long, env = "USER")]
    by: String,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ReviewCommand {
    /// Let a milestone that waits for a person be invoiced.
    Approve {
        /// Contract id.
        contract: String,
        /// Milestone id.
        milestone: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
    /// Withdraw an approval.
    Hold {
        /// Contract id.
        contract: String,
        /// Milestone id.
        milestone: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
    /// Close an open exception.
    Overrule {
        /// Contract id.
        contract: String,
        /// Code of the exception.
        code: String,
        /// Its milestone, if it has one.
        #[arg(long)]
        milestone: Option<String>,
        /// Its leg, if it has one: crm, psa, erp.
        #[arg(long)]
        leg: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
    /// Read parked records again.
    Replay {
        /// One record, by the id that `status` shows; all without it.
        id: Option<i64>,
        #[command(flatten)]
        reviewer: Reviewer,
    },
    /// Let a parked delivery go on; the remote is asked first.
    Release {
        /// Key that `status` shows.
        key: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
    /// Give a parked delivery up for ever.
    Dismiss {
        /// Key that `status` shows.
        key: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        reviewer: Reviewer,
    },
}

/// Exit code of a check that found something, and of a command whose object does not exist.
pub const FOUND: u8 = 1;
/// Exit code of bad input: arguments, configuration, files.
pub const BAD_INPUT: u8 = 2;

/// Runs the command line; errors go to standard error, one sentence with the remedy.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!(error)),
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    table::complain(&format!("milestoned: {error:#}"));
    ExitCode::from(BAD_INPUT)
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    let json = global.json;
    match command {
        Command::Simulate { file } => return Ok(contract::simulate(&file)),
        #[cfg(feature = "demo")]
        Command::Demo(options) => return crate::demo::run(options, json).await,
        Command::Run => return run::run(Settings::load(global.config.as_deref())?).await,
        Command::Check => return check::check(Settings::load(global.config.as_deref()), json).await,
        _ => {}
    }
    let app = App::build(Settings::load(global.config.as_deref())?, Arc::new(SystemClock)).await?;
    match command {
        Command::Audit(AuditCommand::Verify) => status::verify_audit(&app, json).await,
        Command::Contract(ContractCommand::List) => contract::list(&app, json).await,
        Command::Contract(ContractCommand::Show { id }) => contract::show(&app, &id, json).await,
        Command::Digest { send } => status::digest(&app, send, json).await,
        Command::Exceptions { contract, all } => status::exceptions(&app, contract, all, json).await,
        Command::Plan => status::plan(&app, json).await,
        Command::Replay { check } => status::replay(&app, check, json).await,
        Command::Review(command) => review::review(&app, command, json).await,
        Command::Status => status::status(&app, json).await,
        #[cfg(feature = "demo")]
        Command::Demo(_) => Ok(ExitCode::SUCCESS),
        Command::Check | Command::Run | Command::Simulate { .. } => Ok(ExitCode::SUCCESS),
    }
}
