//! The other end: a typed client for parent applications.
