//! Names of acts, the right that each needs, and which are offered about what waits.

use milestoned_identity::rights::Right;
use milestoned_mapping::contract::Code;
use milestoned_mapping::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::subject::Subject;

/// The name of an act, as buttons, the API and the command line have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Approve what was shown.
    Approve,
    /// Give it to somebody to look after.
    Assign,
    /// Close it: it is settled otherwise.
    Close,
    /// A delivery was done by hand, in the remote.
    Done,
    /// A delivery is not to be made any more.
    GiveUp,
    /// Nothing of a milestone is to be invoiced.
    Hold,
    /// Write something down about it.
    Note,
    /// Close an exception or a drift, with a reason.
    Overrule,
    /// Halt a contract, a customer or a connection.
    Pause,
    /// Let a delivery go on.
    Release,
    /// Read a record again.
    Replay,
    /// Let go on what was halted.
    Resume,
    /// Nobody is reminded before a date.
    Snooze,
    /// Take back an acceptance that a rejection in time contradicts.
    Undo,
}

impl Verb {
    const ALL: [Self; 14] = [
        Self::Approve,
        Self::Assign,
        Self::Close,
        Self::Done,
        Self::GiveUp,
        Self::Hold,
        Self::Note,
        Self::Overrule,
        Self::Pause,
        Self::Release,
        Self::Replay,
        Self::Resume,
        Self::Snooze,
        Self::Undo,
    ];

    /// The word for it, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Assign => "assign",
            Self::Close => "close",
            Self::Done => "done",
            Self::GiveUp => "give_up",
            Self::Hold => "hold",
            Self::Note => "note",
            Self::Overrule => "overrule",
            Self::Pause => "pause",
            Self::Release => "release",
            Self::Replay => "replay",
            Self::Resume => "resume",
            Self::Snooze => "snooze",
            Self::Undo => "undo",
        }
    }

    /// The word on its button.
    pub fn button(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Assign => "Assign",
            Self::Close => "Close",
            Self::Done => "Done by hand",
            Self::GiveUp => "Give up",
            Self::Hold => "Hold",
            Self::Note => "Note",
            Self::Overrule => "Overrule",
            Self::Pause => "Pause",
            Self::Release => "Try again",
            Self::Replay => "Read again",
            Self::Resume => "Resume",
            Self::Snooze => "Snooze",
            Self::Undo => "Take the acceptance back",
        }
    }

    /// The right that it needs.
    pub fn right(self) -> Right {
        match self {
            Self::Approve | Self::Hold | Self::Undo => Right::Approve,
            Self::Overrule => Right::Overrule,
            Self::Close | Self::Done | Self::GiveUp | Self::Release | Self::Replay => Right::Release,
            Self::Pause | Self::Resume => Right::Operate,
            Self::Assign | Self::Note | Self::Snooze => Right::View,
        }
    }

    /// Whether it is taken without a reason: what was shown, or the act itself, says enough.
    pub fn needs_no_reason(self) -> bool {
        matches!(self, Self::Approve | Self::Assign | Self::Replay | Self::Snooze)
    }
}

impl std::str::FromStr for Verb {
    type Err = Problem;

    fn from_str(word: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|verb| verb.name() == word).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Problem::new("act", format!("{word:?} is no act"), format!("write one of {names}"))
        })
    }
}

/// The acts that a kind of thing offers, but for those that everything offers.
pub fn offered(subject: &Subject) -> Vec<Verb> {
    match subject {
        Subject::Approval { .. } => vec![Verb::Approve, Verb::Hold],
        Subject::ChangeOrder { .. } | Subject::Customer { .. } => vec![Verb::Approve, Verb::Close],
        Subject::Delivery(_) => vec![Verb::Release, Verb::Done, Verb::GiveUp],
        Subject::Exception { code: Code::HeldByReviewer | Code::InvoiceWithdrawn, milestone: Some(_), .. } => {
            vec![Verb::Approve, Verb::Overrule]
        }
        Subject::Exception { code: Code::RejectedInTime, milestone: Some(_), .. } => vec![Verb::Undo, Verb::Overrule],
        Subject::Drift { .. } | Subject::Exception { .. } => vec![Verb::Overrule],
        Subject::Fact(_) | Subject::File(_) | Subject::Unseen(_) => vec![Verb::Close],
        Subject::Pause { .. } => vec![Verb::Resume],
        Subject::Record(_) => vec![Verb::Replay, Verb::Close],
        Subject::Expiry { .. }
        | Subject::SetAside(_)
        | Subject::Stream { .. }
        | Subject::Unattested(_)
        | Subject::Undecided(_)
        | Subject::Unfiled => Vec::new(),
    }
}
