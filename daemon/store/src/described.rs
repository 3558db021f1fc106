//! What values of the core look like in answers, for the API's description: the core knows no description.

use serde::Serialize;
use utoipa::ToSchema;

/// A place, what is wrong there, and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Where.
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// Two values that differ.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceBody {
    /// What they are values of.
    pub what: String,
    /// The one that is agreed.
    pub agreed: Option<String>,
    /// The one that was seen.
    pub seen: Option<String>,
    /// The one that follows from the contract's own figures; absent where a leg shows one.
    pub computed: Option<String>,
}
