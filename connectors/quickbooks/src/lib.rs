//! The quickbooks connector.
