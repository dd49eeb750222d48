//! `docs/coverage.md` is what a comparison with the reference's bindings says, and the host serves what the page says.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bindings;
mod clients;
mod compare;
mod page;
mod refused;
mod rules;
mod shape;
mod table;
mod typescript;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use valet_tests::installed;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage.md")
}

/// The methods of a section of the page, and whether they are absent.
fn section(title: &str) -> Vec<(String, bool)> {
    let text = std::fs::read_to_string(path()).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(&format!("{title}\n"))).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(method, cells)| (method.to_owned(), cells.contains("| absent |"))).collect()
}

/// The requests that the reference serves and we do not.
fn absent() -> Vec<String> {
    section("Requests").into_iter().filter(|(_, absent)| *absent).map(|(method, _)| method).collect()
}

#[test]
fn the_page_is_what_a_comparison_says() {
    let (Some(codex), Some(tsc)) = (installed::codex(), installed::tsc()) else { return };
    let page = page::page(&table::Table::make(&codex, &tsc));
    if std::env::var_os("UPDATE_COVERAGE").is_some() {
        std::fs::write(path(), page).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path()).unwrap_or_default();
    let changed: Vec<&str> = page.lines().filter(|line| !committed.contains(line)).collect();
    assert!(
        page == committed,
        "docs/coverage.md is out of date; run `just coverage`. New lines:\n{}",
        changed.join("\n")
    );
}

#[test]
fn the_page_names_all_that_we_serve_and_say() {
    let meta = bindings::meta();
    let parts = [
        ("Requests", bindings::REQUESTS),
        ("Requests of the server", bindings::SERVER_REQUESTS),
        ("Notifications of the server", bindings::NOTIFICATIONS),
        ("Notifications of clients", bindings::CLIENT_NOTIFICATIONS),
    ];
    for (title, (_, list)) in parts {
        let listed = section(title).into_iter().filter(|(_, absent)| !absent).map(|(method, _)| method);
        let ours = meta[list].as_object().unwrap().keys().cloned();
        assert_eq!(listed.collect::<BTreeSet<_>>(), ours.collect::<BTreeSet<_>>(), "{title}; run `just coverage`");
    }
}
