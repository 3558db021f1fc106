//! The netsuite connector.
