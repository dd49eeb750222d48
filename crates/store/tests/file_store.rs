//! The embedded store: the contract of every store, and what only one of files must do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is a failed test")]

mod file_store {
    mod agreement;
    mod damage;
    mod home;
    mod others;
}
mod contract {
    use tempfile::TempDir;
    use valet_store::{FileStore, contract_tests};

    contract_tests!(|| {
        let home = TempDir::new().unwrap();
        (FileStore::open(home.path()), home)
    });
}
