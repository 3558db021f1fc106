//! The jira connector.
