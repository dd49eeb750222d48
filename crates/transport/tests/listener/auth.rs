//! Credentials on the wire: the refusals, what is asked first, and what it costs to fail.

use std::sync::Arc;
use std::time::Duration;

use pretty_assertions::assert_eq;
use valet_transport::listener::{Auth, Settings, SignedRules};

use crate::support::{Double, Server, UPGRADE, body, settings, status, tcp};

const RIGHT: &str = "Authorization: Bearer tok\r\n";
const WRONG: &str = "Authorization: Bearer nope\r\n";

fn capability() -> Auth {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "tok\n").unwrap();
    Auth::token_file(file.path()).unwrap()
}

async fn guarded() -> Server {
    tcp(Settings { auth: Some(capability()), ..settings() }).await
}

#[tokio::test]
async fn a_refusal_is_a_401_with_its_words() {
    let server = guarded().await;
    let rows = [
        ("", "missing websocket bearer token"),
        (WRONG, "invalid websocket bearer token"),
        ("Authorization: Basic dG9rOg==\r\n", "invalid authorization header"),
    ];
    for (header, words) in rows {
        let answer = server.ask("GET /rpc?token=tok", &format!("{UPGRADE}{header}")).await;
        assert_eq!((status(&answer), body(&answer)), (401, words));
        assert!(answer.contains("content-type: text/plain; charset=utf-8\r\n"), "{answer}");
    }
    assert_eq!(server.upgrade(RIGHT).await, 101);
}

#[tokio::test]
async fn a_token_that_is_not_signed_with_the_secret_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
    let auth = Auth::signed(file.path(), SignedRules::default()).unwrap();
    let server = tcp(Settings { auth: Some(auth), ..settings() }).await;
    let answer = server.ask("GET /", &format!("{UPGRADE}{RIGHT}")).await;
    assert_eq!((status(&answer), body(&answer)), (401, "invalid websocket jwt"));
}

#[tokio::test]
async fn the_origin_is_looked_at_first_then_the_upgrade_and_then_the_credential() {
    let server = guarded().await;
    assert_eq!(server.upgrade("Origin: https://evil.example\r\n").await, 403);
    assert_eq!(server.status("GET /", "").await, 400);
    assert_eq!(server.upgrade("").await, 401);
}

#[tokio::test]
async fn health_needs_no_credential_and_metrics_do() {
    let counted = Arc::new(Double { metrics: Some("x 1\n"), ..Double::default() });
    let server = tcp(Settings { auth: Some(capability()), metrics: true, ..Settings::new(counted) }).await;
    assert_eq!(server.status("GET /healthz", "").await, 200);
    assert_eq!(server.status("GET /readyz", "").await, 200);
    let answer = server.ask("GET /metrics", "").await;
    assert_eq!((status(&answer), body(&answer)), (401, "missing websocket bearer token"));
    assert_eq!(server.status("GET /metrics", RIGHT).await, 200);
}

#[tokio::test]
async fn after_ten_failures_a_peer_waits_a_second_for_each_further_try() {
    let server = guarded().await;
    for _ in 0..10 {
        assert_eq!(server.upgrade(WRONG).await, 401);
    }
    // Not even looked at, so that guessing tells nothing.
    for header in [WRONG, RIGHT, ""] {
        let answer = server.ask("GET /", &format!("{UPGRADE}{header}")).await;
        assert_eq!((status(&answer), body(&answer)), (429, ""));
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    }
    assert_eq!(server.status("GET /healthz", "").await, 200);
    later(Duration::from_secs(1)).await;
    assert_eq!(server.upgrade(WRONG).await, 401);
    assert_eq!(server.upgrade(RIGHT).await, 429);
    later(Duration::from_secs(1)).await;
    assert_eq!(server.upgrade(RIGHT).await, 101);
}

/// Other systems have but one loopback address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn failures_of_one_peer_do_not_delay_another() {
    let server = guarded().await;
    for _ in 0..20 {
        server.upgrade(WRONG).await;
    }
    assert_eq!(server.upgrade(RIGHT).await, 429);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(server.socket_address()).await.unwrap();
    let answer = crate::support::ask(stream, "GET /", &format!("Host: localhost\r\n{UPGRADE}{RIGHT}")).await;
    assert_eq!(status(&answer), 101);
}

/// Whoever runs this has one user id, so that there is but one peer.
#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_asks_for_the_credential_and_slows_down_who_guesses() {
    use valet_transport::listener::{Endpoint, listen};
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(folder.path().join("s"));
    let server =
        crate::support::serve(listen(endpoint, Settings { auth: Some(capability()), ..settings() }).await.unwrap());
    assert_eq!(server.upgrade(RIGHT).await, 101);
    for _ in 0..10 {
        assert_eq!(server.upgrade("").await, 401);
    }
    assert_eq!(server.upgrade(RIGHT).await, 429);
}

/// Moves the clock; it stands still for no longer than that, since sockets do not know of it.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
