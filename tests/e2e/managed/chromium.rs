//! A browser login in a real browser, where there is one.

use std::process::{Command, Stdio};

use pretty_assertions::assert_eq;
use valet_tests::{TestHost, installed, login_ports};

use super::browser::nobody_listens;
use super::{account, begin, completed, script};

#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_ends_at_the_page_that_says_so() {
    let Some(chromium) = installed::chromium() else { return };
    let _ports = login_ports();
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    let (id, begun) = begin(&mut client, "chatgpt").await;
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Command::new(chromium);
    // Who runs tests as root has no other choice than to go without its sandbox.
    browser.args(["--headless", "--disable-gpu", "--no-sandbox", "--no-first-run", "--dump-dom"]);
    browser.arg(format!("--user-data-dir={}", profile.path().display()));
    browser.arg(begun["authUrl"].as_str().unwrap()).stderr(Stdio::null());
    let page = tokio::task::spawn_blocking(move || browser.output().unwrap()).await.unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("<title>You are logged in</title>"), "{page}");
    let told = completed(&mut client).await;
    assert_eq!((told.login_id, told.success), (Some(id), true), "{:?}", told.error);
    assert!(account(&mut client).await.is_some());
    nobody_listens().await;
}
