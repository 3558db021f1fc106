//! Who somebody is and what they may do. Nothing here knows the store, the web server or the billing rules: callers hand in
//! what they have (a password and its hash, a token, a contract's history of actors, the time) and get an answer.
//!
//! [`rights`] are what somebody may do, [`people`] are who counts as one person, [`duties`] are who may approve what.
//! [`account`] and [`begun`] are the two ways in for people, [`machine`] the one for programs; [`session`] is what a
//! browser holds afterwards.

pub mod account;
pub mod begun;
pub mod duties;
pub mod machine;
pub mod people;
pub mod rights;
pub mod secret;
pub mod session;
