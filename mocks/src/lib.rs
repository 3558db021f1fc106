//! Simulators of the remote systems.
