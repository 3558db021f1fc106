//! About which contracts a program may know and do anything. A token can be restricted to contracts and customers; what it does
//! not reach is to it as if it were not there, and what is about the whole company is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use milestoned_identity::machine::Machine;

use super::problem::ApiError;
use crate::store::{Store, StoreError};

/// Between contract and milestone in an id of the milestone resource.
pub(super) const SEPARATOR: char = ':';

/// What somebody reaches.
#[derive(Debug, Clone)]
pub enum Reach {
    /// Everything.
    Everything,
    /// Some contracts.
    Only(Arc<Only>),
}

/// Contracts by id, and those of customers.
#[derive(Debug, Default)]
pub struct Only {
    contracts: BTreeSet<String>,
    customers: BTreeSet<String>,
}

impl Reach {
    /// What a token reaches now.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn of(machine: &Machine, store: &Store) -> Result<Self, StoreError> {
        if !machine.is_restricted() {
            return Ok(Self::Everything);
        }
        let mut contracts: BTreeSet<String> = machine.contracts.iter().flatten().cloned().collect();
        let customers: BTreeSet<String> = machine.customers.iter().flatten().cloned().collect();
        if !customers.is_empty() {
            contracts.extend(store.contracts_of_customers(customers.clone()).await?);
        }
        Ok(Self::Only(Arc::new(Only { contracts, customers })))
    }

    /// Whether nothing lies outside of it.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether a contract lies within it.
    pub fn has(&self, contract: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(only) => only.contracts.contains(contract),
        }
    }

    /// Whether something lies within it that belongs to this contract, or to none.
    pub fn covers(&self, contract: Option<&str>) -> bool {
        contract.map_or(self.is_everything(), |contract| self.has(contract))
    }

    /// Whether a customer lies within it.
    pub fn has_customer(&self, customer: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(only) => only.customers.contains(customer),
        }
    }

    /// Whether a contract that is not filed yet may be filed, for this customer.
    pub fn admits(&self, contract: &str, customer: Option<&str>) -> bool {
        self.has(contract) || customer.is_some_and(|customer| self.has_customer(customer))
    }

    /// # Errors
    /// The contract does not lie within it: answered as if it were not known.
    pub fn require(&self, contract: &str) -> Result<(), ApiError> {
        if self.has(contract) { Ok(()) } else { Err(ApiError::not_found("contract", contract)) }
    }

    /// # Errors
    /// A list is asked for of a contract that does not lie within it.
    pub fn require_of(&self, contract: Option<&str>) -> Result<(), ApiError> {
        contract.map_or(Ok(()), |contract| self.require(contract))
    }
}

/// 403: what is asked for is about more than the token reaches.
pub fn beyond(name: &str) -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "OUT_OF_SCOPE",
        format!("{name:?} is restricted to some contracts or customers, and this is about others, or about all"),
        "use a token without `contracts` and `customers`, or one that names what is meant",
    )
}

/// Lets a program that is restricted go on where the address names a contract that it reaches.
///
/// # Errors
/// 404 where the address names another contract, 403 where it names none.
pub(super) async fn keep_to(name: &str, reach: &Reach, parts: &mut Parts) -> Result<(), ApiError> {
    if reach.is_everything() {
        return Ok(());
    }
    let path = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let names = RawPathParams::from_request_parts(parts, &()).await.ok();
    let id = names.and_then(|names| names.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.to_owned()));
    let of_a_milestone = path.starts_with("/v1/project-milestones/{id}");
    match id {
        Some(id) if path.starts_with("/v1/contracts/{id}") => reach.require(&id),
        Some(id)
            if of_a_milestone && reach.has(id.split_once(SEPARATOR).map_or(id.as_str(), |(contract, _)| contract)) =>
        {
            Ok(())
        }
        Some(id) if of_a_milestone => Err(ApiError::not_found("milestone", &id)),
        _ => Err(beyond(name)),
    }
}
