//! `docs/transports.md` is tried out: its commands make tokens that let somebody in, its units are units, and
//! its nginx stands before the real binary.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use tokio::process::{Child, Command};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::listeners::{Server, status};
use valet_tests::skip;

use crate::support::VALET;

const PAGE: &str = include_str!("../../../../docs/transports.md");
const LIMIT: Duration = Duration::from_secs(20);

/// The block that opens with this line.
fn block(opening: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("\n```{opening}\n")).expect("the block is on the page");
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// A block with other words in it, which it must have.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is on the page");
        text.replace(from, to)
    })
}

/// Runs a program of the page in a directory, and returns what it prints.
async fn run(folder: &Path, program: &str, script: &str) -> Option<String> {
    let output = Command::new(program).args(["-c", script]).current_dir(folder).output().await.ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

async fn installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Not every program knows the option, but only one that is there can say so.
    command.status().await.is_ok()
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_token_made_as_the_page_says_lets_its_owner_in() {
    if !installed("openssl").await {
        return skip("openssl is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "sh", &block("sh token")).await.unwrap();
    let file = folder.path().join("token");
    let token = std::fs::read_to_string(&file).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let by_file = ["--listen", "ws://127.0.0.1:0", "--ws-auth", "capability-token", "--ws-token-file", word(&file)];
    let server = Server::start(folder.path(), &by_file).await;
    assert_eq!([status(&server.url, &[("authorization", &bearer)]).await, status(&server.url, &[]).await], [101, 401]);
    let digest = "printf %s \"$(cat token)\" | sha256sum";
    assert!(PAGE.contains(&format!("`{digest}`")));
    let digest = run(folder.path(), "sh", digest).await.unwrap();
    let digest = digest.split(' ').next().unwrap();
    let by_digest = ["--listen", "ws://127.0.0.1:0", "--ws-auth", "capability-token", "--ws-token-sha256", digest];
    let server = Server::start(folder.path(), &by_digest).await;
    assert_eq!(status(&server.url, &[("authorization", &bearer)]).await, 101);
}

#[tokio::test]
async fn a_token_signed_as_the_page_says_lets_its_owner_in() {
    if !installed("openssl").await || !installed("python3").await {
        return skip("openssl or python3 is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "sh", &block("sh secret")).await.unwrap();
    let token = run(folder.path(), "python3", &block("python sign")).await.unwrap();
    let secret = folder.path().join("secret");
    let start = async |issuer: &str| {
        let mut args = vec!["--listen", "ws://127.0.0.1:0", "--ws-auth", "signed-bearer-token"];
        args.extend(["--ws-shared-secret-file", word(&secret), "--ws-audience", "valet", "--ws-issuer", issuer]);
        Server::start(folder.path(), &args).await
    };
    for (issuer, answer) in [("my-parent", 101), ("another", 401)] {
        let server = start(issuer).await;
        assert_eq!(status(&server.url, &[("authorization", &format!("Bearer {token}"))]).await, answer, "{issuer}");
    }
}

#[tokio::test]
async fn the_units_of_the_page_are_units() {
    if !installed("systemd-analyze").await {
        return skip("systemd-analyze is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = |name: &str, pairs: &[(&str, &str)]| {
        let path = folder.path().join(name);
        std::fs::write(&path, replaced(&block(&format!("ini {name}")), pairs)).unwrap();
        path
    };
    let units = [unit("valet.socket", &[]), unit("valet.service", &[("/usr/local/bin/valet", VALET)])];
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("valet."), "{said}");
}

/// nginx as the page has it, without TLS and on a free port, before a server.
async fn nginx(folder: &Path, server: &Server) -> (Child, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let page = replaced(
        &block("nginx"),
        &[
            ("listen 443 ssl;", &format!("listen 127.0.0.1:{port};")),
            ("ssl_certificate     /etc/ssl/valet.pem;", ""),
            ("ssl_certificate_key /etc/ssl/valet.key;", ""),
            ("http://127.0.0.1:4500", &server.url.replace("ws://", "http://")),
        ],
    );
    let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let scratch = scratch.map(|kind| format!("{kind}_temp_path {}/{kind};", folder.display())).join("\n");
    let text = format!(
        "daemon off; master_process off; pid {0}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n{scratch}\n{page}\n}}",
        folder.display()
    );
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&config).stderr(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let up = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, up).await.expect("nginx is up");
    (child, format!("ws://127.0.0.1:{port}"))
}

#[tokio::test]
async fn nginx_as_on_the_page_passes_on_what_it_should() {
    if !installed("nginx").await {
        return skip("nginx is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "tok").unwrap();
    let mut args = vec!["--listen", "ws://127.0.0.1:0", "--ws-auth", "capability-token", "--metrics"];
    args.extend(["--ws-token-file", word(&token), "--allow-origin", "https://app.example.com"]);
    let mut server = Server::start(folder.path(), &args).await;
    let (_nginx, url) = nginx(folder.path(), &server).await;
    let right = ("authorization", "Bearer tok");
    let rows: [(&[(&'static str, &str)], u16); 5] = [
        (&[right], 101),
        (&[], 401),
        (&[right, ("origin", "https://app.example.com")], 101),
        (&[right, ("origin", "https://evil.example")], 403),
        (&[right, ("host", "valet.example.com")], 101),
    ];
    for (headers, answer) in rows {
        assert_eq!(status(&url, headers).await, answer, "{headers:?}");
    }
    assert_eq!(status(&format!("{url}/metrics"), &[right]).await, 404);

    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert(right.0, right.1.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let text = r#"{"id":1,"method":"initialize","params":{"clientInfo":{"name":"t","version":"1"}}}"#;
    socket.send(Message::text(text)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(answer.contains("\"userAgent\""), "{answer}");
    assert_eq!(server.terminate().await, Some(0));
    let code = loop {
        match tokio::time::timeout(LIMIT, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Close(frame) => break frame.map(|frame| u16::from(frame.code)),
            _ => continue,
        }
    };
    assert_eq!(code, Some(1001));
}
