//! Review: what waits for a person, and what a person does about it. There is one list, [`queue`], and one place that checks
//! and writes what a person decides, [`acts`]; pages, API, command line, mail and metrics show the one and call the other.
//!
//! Reading order: [`subject`] (what acts are about), [`item`], [`queue`], [`acts`]; [`portfolio`] is what people see of
//! contracts, [`as_of`] what they would have seen on another date, [`case`] what they see of one thing that waits, [`closed`] of
//! one that waits no more, [`effect`] what a change order would do, [`customers`] which record of an ERP each customer is.
//! [`snapshot`] keeps what pages sum up and sort by, a [`line`](mod@line) for each contract and an [`entry`] for each thing that
//! waits; [`selection`] picks from it.

pub mod acts;
pub mod as_of;
pub mod bulk;
pub mod case;
pub mod closed;
pub mod customers;
pub mod described;
pub mod effect;
pub mod entry;
pub mod figures;
pub mod halves;
pub mod holding;
pub mod item;
pub mod line;
pub mod listing;
pub mod measures;
pub mod names;
pub mod portfolio;
pub mod queue;
pub mod selection;
pub mod snapshot;
pub mod standing;
pub mod subject;
pub mod trail;
pub mod verb;
