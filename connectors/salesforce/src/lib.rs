//! The salesforce connector.
