//! Journeys through the public surfaces against the simulators, and the rules of the house.

mod house;
mod journeys;
