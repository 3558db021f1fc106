//! The pure core of milestoned: facts in, decisions out.
//!
//! The law of this crate: no IO, no clock, no randomness, no hash order. Time is an argument. The same terms and the
//! same facts give the same bytes, on every machine and in every year. No vendor's field name stands here: names of
//! fields come from field maps.
//!
//! Reading order: [`money`], [`record`] (what a connector delivers), [`command`] (what is to be written where).

pub mod command;
pub mod fact;
pub mod money;
pub mod record;
