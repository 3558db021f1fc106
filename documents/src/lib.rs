//! From the signed document to the terms: readers, values with their places, schedules, clauses, findings, a proposal.
//!
//! A file becomes blocks of text and tables ([`block`]), those become candidates, and a [`proposal`] is what a person
//! confirms. No value is made up: each bears the words it was read from and where they stand.

pub mod amendment;
pub mod block;
mod check;
mod clause;
pub mod confirm;
mod flow;
pub mod model;
pub mod proposal;
mod propose;
pub mod reader;
pub mod sandbox;
mod schedule;
pub mod value;
mod write;

pub use self::propose::{Input, READER, propose, sha256};
pub use self::write::{findings, toml};
