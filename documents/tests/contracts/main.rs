//! Contracts that a person has read: beside what is proposed of them, and rendered in other layouts and read again.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod corpus;
mod layouts;
mod rendered;
mod truth;
