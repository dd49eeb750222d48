//! The two ports of browser logins, which one test of this machine may have at a time.

use std::fs::File;

/// Waits for its turn, among the tests of all processes. They are another test's when this is dropped. To be called
/// before anything else of the test goes on: it blocks.
pub fn login_ports() -> File {
    let file = File::create(std::env::temp_dir().join("valet-tests-login-ports.lock")).expect("a file can be made");
    file.lock().expect("a file can be locked");
    file
}
