//! Tests of the real binary: what depends on a process, its pipes or its sockets.

mod demo;
mod python_sdk;
mod samples;
mod stdio;
mod support;
mod websocket;
