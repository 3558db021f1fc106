//! Journeys through the public surfaces against the simulators, the promises of the store on both databases, and the
//! rules of the house.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod conformance;
mod house;
mod journeys;
mod lessons;
mod setups;
mod simulation;
mod store;
