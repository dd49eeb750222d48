//! A sample parent application.
fn main() {}
