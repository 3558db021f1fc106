//! Where something that milestoned has decided stands outside: decided, sending, in doubt, refused, sent, sent and not
//! posted, in the remote, given up, done by hand. Each is another word, on every face.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::vocabulary::DeliveryState;

/// Where a document or entry stands in the remote that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The remote refused it: it waits for a person.
    Refused,
    /// A person gave it up: the remote has not got it, and will not.
    GivenUp,
    /// An attempt may have written it: the remote is asked.
    InDoubt,
    /// An attempt is under way.
    Sending,
    /// It waits for its time; nothing was sent.
    Decided,
    /// The remote took it and has not posted it: it waits for an approval there.
    Unposted,
    /// The remote took it; no poll has shown it yet.
    Sent,
    /// A person did it in the remote, by hand.
    ByHand,
    /// Somebody else wrote it in the remote, and it was taken for ours.
    Adopted,
    /// A poll has shown it in the remote.
    Confirmed,
    /// It was voided in the remote, and another one was adopted in its place.
    Replaced,
}

/// What is known of a delivery that the remote has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// A poll has shown it.
    pub confirmed: bool,
    /// The remote shows it, and has not posted it.
    pub unposted: bool,
    /// A person did it there.
    pub by_hand: bool,
}

impl Standing {
    /// Where a delivery stands.
    pub fn of(state: DeliveryState, Seen { confirmed, unposted, by_hand }: Seen) -> Self {
        match state {
            DeliveryState::Pending | DeliveryState::Superseded => Self::Decided,
            DeliveryState::Sending => Self::Sending,
            DeliveryState::Unknown => Self::InDoubt,
            DeliveryState::Parked => Self::Refused,
            DeliveryState::Dismissed => Self::GivenUp,
            DeliveryState::Done if unposted => Self::Unposted,
            DeliveryState::Done if by_hand => Self::ByHand,
            DeliveryState::Done if confirmed => Self::Confirmed,
            DeliveryState::Done => Self::Sent,
        }
    }

    /// Whether the remote has it in its books, as far as it has told.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Adopted | Self::ByHand | Self::Confirmed | Self::Sent)
    }

    /// The word for it, for programs and style sheets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::InDoubt => "in_doubt",
            Self::Sending => "sending",
            Self::Decided => "decided",
            Self::Unposted => "unposted",
            Self::Sent => "sent",
            Self::ByHand => "by_hand",
            Self::Adopted => "adopted",
            Self::Confirmed => "confirmed",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Refused => "refused",
            Self::GivenUp => "given up",
            Self::InDoubt => "in doubt",
            Self::Sending => "sending",
            Self::Decided => "decided, not sent",
            Self::Unposted => "sent, not posted",
            Self::Sent => "sent",
            Self::ByHand => "done by hand",
            Self::Adopted => "adopted, written by others",
            Self::Confirmed => "in the ERP",
            Self::Replaced => "void, replaced by another",
        })
    }
}
