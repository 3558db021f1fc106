//! The pure core of milestoned: facts in, decisions out.
//!
//! The law of this crate: no IO, no clock, no randomness, no hash order. Time is an argument. The same terms and the
//! same facts give the same bytes, on every machine and in every year. No vendor's word stands here: names of fields come
//! from field maps, the shape of records from connectors.
//!
//! Reading order: [`money`], [`calendar`], [`terms`] (what is agreed), [`fact`] (what happens), [`contract`] (what
//! follows), [`rules`] (what stands in the way), [`postings`] (what is said to whom), [`warrant`]
//! (whether what is sent still follows), [`case`] (all of it, played).

pub mod address;
pub mod calendar;
pub mod case;
pub mod change_order;
pub mod close;
pub mod command;
pub mod compare;
pub mod contract;
pub mod counted;
pub mod drift;
mod events;
pub mod fact;
pub mod fieldmap;
pub mod filed;
pub mod identifiers;
pub mod json;
pub mod ledger;
pub mod legs;
pub mod locate;
pub mod money;
pub mod normalise;
pub mod postings;
pub mod problem;
pub mod progress;
pub mod proration;
mod reader;
pub mod record;
pub mod rules;
pub mod schema;
pub mod split;
pub mod statement;
pub mod sweep;
pub mod terms;
pub mod warrant;
