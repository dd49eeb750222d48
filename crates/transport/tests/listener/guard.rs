//! Web pages: `Origin` and `Host`, on every kind of listener.

use pretty_assertions::assert_eq;
use valet_transport::listener::{Auth, Endpoint, Settings, listen};

use crate::support::{Server, serve, settings, tcp};

fn with_origins(origins: &[&str]) -> Settings {
    Settings { origins: origins.iter().map(|origin| origin.parse().unwrap()).collect(), ..settings() }
}

/// A listener of each kind, with the directory of its socket file.
async fn everywhere(origins: &[&str]) -> Vec<(Server, Option<tempfile::TempDir>)> {
    let mut servers = vec![(tcp(with_origins(origins)).await, None)];
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("s"));
        servers.push((serve(listen(endpoint, with_origins(origins)).await.unwrap()), Some(folder)));
    }
    servers
}

#[tokio::test]
async fn only_listed_origins_come_in_on_any_listener_and_any_path() {
    let listed: &[&str] = &["https://app.example", "vscode-webview://0a1b"];
    let rows: [(&[&str], &str, bool); 8] = [
        (&[], "", true),
        (&[], "https://app.example", false),
        (&[], "null", false),
        (listed, "https://app.example", true),
        (listed, "vscode-webview://0A1B", true),
        (listed, "https://app.example:8443", false),
        (listed, "null", false),
        (&["null"], "null", true),
    ];
    for (listed, origin, may) in rows {
        for (server, _folder) in everywhere(listed).await {
            let header = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
            let told = [server.upgrade(&header).await, server.status("GET /healthz", &header).await];
            let wanted = if may { [101, 200] } else { [403, 403] };
            assert_eq!(told, wanted, "{origin} at {} where {listed:?} may come", server.address);
        }
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_is_refused() {
    let server = tcp(settings()).await;
    let port = server.socket_address().port();
    let rows = [
        (format!("127.0.0.1:{port}"), true),
        (format!("localhost:{port}"), true),
        (format!("[::1]:{port}"), true),
        ("localhost".to_owned(), true),
        (format!("evil.example:{port}"), false),
        ("localhost:1".to_owned(), false),
        (String::new(), false),
    ];
    for (host, may) in rows {
        let header = format!("Host: {host}\r\n");
        let told = [server.upgrade(&header).await, server.status("GET /readyz", &header).await];
        assert_eq!(told, if may { [101, 200] } else { [403, 403] }, "{host}");
    }
}

#[tokio::test]
async fn where_others_can_reach_the_address_any_name_will_do_and_the_credential_is_asked_for() {
    let open = Settings { auth: Some(Auth::token_digest([0; 32])), ..settings() };
    let listener = listen(Endpoint::Tcp("0.0.0.0:0".parse().unwrap()), open).await.unwrap();
    let server = serve(listener);
    assert_eq!(server.status("GET /readyz", "Host: my.server.example\r\n").await, 200);
    assert_eq!(server.upgrade("Host: my.server.example\r\n").await, 401);
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused_without_auth() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:4500", "[::ffff:192.0.2.1]:4500"] {
        let error = listen(Endpoint::Tcp(address.parse().unwrap()), settings()).await.unwrap_err();
        let words = format!(
            "refusing to start non-loopback websocket listener {address} without auth; configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
        );
        assert_eq!(error.to_string(), words);
    }
}
