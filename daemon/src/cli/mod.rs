//! The command line: what it takes, and which function answers.

pub mod contract;
pub mod status;
pub mod table;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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

#[derive(Debug, Subcommand)]
enum ReviewCommand {
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
