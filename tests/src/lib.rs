//! The end-to-end test harness: a host, a client and a backend in one process.
