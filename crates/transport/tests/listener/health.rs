//! The HTTP surface beside the websocket.

use std::sync::Arc;

use pretty_assertions::assert_eq;
use tokio::time::Instant;
use valet_transport::listener::Settings;

use crate::support::{Double, UPGRADE, body, settings, status, tcp};

#[tokio::test]
async fn health_and_readiness_say_what_the_host_says_and_have_no_body() {
    let well = Double::default();
    let draining = Double { ready: Err("draining"), ..Double::default() };
    let dead = Double { alive: Some(false), ..Double::default() };
    for (double, health, readiness) in [(well, 200, 200), (draining, 200, 503), (dead, 503, 200)] {
        let reason = double.ready.err().map(|reason| format!("x-valet-reason: {reason}"));
        let server = tcp(Settings::new(Arc::new(double))).await;
        for (path, wanted) in [("/healthz", health), ("/readyz", readiness)] {
            for method in ["GET", "HEAD"] {
                let answer = server.ask(&format!("{method} {path}"), "").await;
                assert_eq!((status(&answer), body(&answer)), (wanted, ""), "{method} {path}");
                let told = reason.as_ref().is_some_and(|reason| answer.contains(reason));
                assert_eq!(told, reason.is_some() && path == "/readyz", "{answer}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_is_not_alive_after_two_seconds() {
    let server = tcp(Settings::new(Arc::new(Double { alive: None, ..Double::default() }))).await;
    let start = Instant::now();
    assert_eq!(server.status("GET /healthz", "").await, 503);
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so_and_health_takes_no_post() {
    let server = tcp(settings()).await;
    let answer = server.ask("GET /", "").await;
    assert_eq!((status(&answer), body(&answer)), (400, "Connection header did not include 'upgrade'"));
    let answer = server.ask("POST /readyz", "Content-Length: 0\r\n").await;
    assert_eq!(status(&answer), 405);
    assert!(answer.contains("allow: GET,HEAD\r\n"), "{answer}");
    assert_eq!(server.status("POST /healthz", "Content-Length: 0\r\n").await, 405);
}

#[tokio::test]
async fn every_path_upgrades_and_no_extension_is_agreed_to() {
    let server = tcp(settings()).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    for path in ["/", "/rpc", "/a/b?c=d", "/metrics"] {
        let answer = server.ask(&format!("GET {path}"), &format!("{UPGRADE}{offer}")).await;
        assert_eq!(status(&answer), 101, "{path}");
        assert!(answer.contains("connection: upgrade\r\n") && !answer.contains("extensions"), "{answer}");
    }
}

#[tokio::test]
async fn metrics_are_there_when_they_are_asked_for() {
    let counted = Double { metrics: Some("valet_turns 1\n"), ..Double::default() };
    let server = tcp(Settings::new(Arc::new(counted.clone()))).await;
    assert_eq!(server.status("GET /metrics", "").await, 400);
    let server = tcp(Settings { metrics: true, ..Settings::new(Arc::new(counted)) }).await;
    let answer = server.ask("GET /metrics", "").await;
    assert_eq!((status(&answer), body(&answer)), (200, "valet_turns 1\n"));
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    let server = tcp(Settings { metrics: true, ..settings() }).await;
    assert_eq!(server.status("GET /metrics", "").await, 404);
}
