//! Review: what waits for a person, and what a person does about it. There is one list, [`queue`], and one place that checks
//! and writes what a person decides, [`acts`]; pages, API, command line, mail and metrics show the one and call the other.
//!
//! Reading order: [`subject`] (what acts are about), [`item`], [`queue`], [`acts`]; [`portfolio`] is what people see of
//! contracts.

pub mod acts;
pub mod item;
pub mod portfolio;
pub mod queue;
pub mod standing;
pub mod subject;
pub mod verb;
