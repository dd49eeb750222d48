//! Unix sockets of the binary, and sockets that somebody else has opened for it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::listeners::{Server, status};
use valet_tests::skip;

use crate::support::{VALET, valet};

const DEFAULT: &str = "app-server-control/app-server-control.sock";

/// Whether somebody at the socket answers `initialize`.
async fn answers(path: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(path).await else { return false };
    let (mut socket, _) = client_async("ws://localhost/rpc", stream).await.unwrap();
    let text = r#"{"id":1,"method":"initialize","params":{"clientInfo":{"name":"t","version":"1"}}}"#;
    socket.send(Message::text(text)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    answer.contains("\"userAgent\"")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn the_control_socket_is_private_unique_and_removed_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap().join(DEFAULT);
    let mut server = Server::start(home.path(), &["--listen", "unix://"]).await;
    assert_eq!(server.url, format!("unix://{}", path.display()));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert!(answers(&path).await);
    let second = valet(home.path(), &["app-server", "--listen", "unix://"]).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    let words = "end that server, or name another socket with --listen unix://PATH";
    let words = format!("valet: app-server control socket is already in use at {}; {words}\n", path.display());
    assert_eq!(said, words);
    assert_eq!(second.status.code(), Some(1));
    assert!(answers(&path).await, "the first one is not disturbed");
    assert_eq!(server.terminate().await, Some(0));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_socket_of_a_server_that_was_killed_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/s");
    let url = format!("unix://{}", path.display());
    let mut server = Server::start(folder.path(), &["--listen", &url]).await;
    server.child.kill().await.unwrap();
    assert!(path.exists(), "nobody could remove it");
    let mut next = Server::start(folder.path(), &["--listen", &url]).await;
    assert!(answers(&path).await);
    assert_eq!(next.terminate().await, Some(0));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_relative_path_is_below_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = valet(folder.path(), &["app-server", "--listen", "unix://s"]);
    command.current_dir(folder.path());
    let _server = Server::of(command.into()).await;
    assert!(answers(&folder.path().join("s")).await);
}

/// A binary that gets a socket as its first file.
fn handed(home: &Path, socket: OwnedFd, args: &[&str]) -> Command {
    let mut command = valet(home, &[&["app-server", "--listen", "systemd://"], args].concat());
    command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0").env_remove("LISTEN_PID").stdin(Stdio::from(socket));
    command.into()
}

#[tokio::test]
async fn a_socket_that_was_handed_over_is_served_as_one_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", tcp.local_addr().unwrap());
    let server = Server::of(handed(folder.path(), tcp.into(), &[])).await;
    assert_eq!(server.url, url);
    assert_eq!([status(&url, &[]).await, status(&url, &[("origin", "https://evil.example")]).await], [101, 403]);

    let path = folder.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let mut server = Server::of(handed(folder.path(), unix.into(), &[])).await;
    assert_eq!(server.url, format!("unix://{}", path.display()));
    assert!(answers(&path).await);
    assert_eq!(server.terminate().await, Some(0));
    assert!(path.exists(), "the file belongs to whoever made it");
}

#[tokio::test]
async fn a_socket_that_others_can_reach_is_not_served_without_auth_whoever_opened_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = socket.local_addr().unwrap();
    let output = handed(folder.path(), socket.into(), &[]).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&format!("refusing to start non-loopback websocket listener {address} without auth")),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn systemd_starts_the_host_for_the_first_visitor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(&path).arg("-E").arg(format!("VALET_HOME={}", folder.path().display()));
    command.args([VALET, "app-server", "--listen", "systemd://"]).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(_activator) = command.spawn() else { return skip("systemd-socket-activate is not installed") };
    let reached = async {
        while !answers(&path).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), reached).await.expect("an answer");
}

#[tokio::test]
async fn a_program_that_opens_no_socket_gets_through_by_the_proxy() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start(home.path(), &["--listen", "unix://"]).await;
    let mut command = Command::from(valet(home.path(), &["app-server", "proxy"]));
    let mut proxy = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let pipes = tokio::io::join(proxy.stdout.take().unwrap(), proxy.stdin.take().unwrap());
    let (mut socket, _) = client_async("ws://localhost/rpc", pipes).await.unwrap();
    let text = r#"{"id":1,"method":"initialize","params":{"clientInfo":{"name":"t","version":"1"}}}"#;
    socket.send(Message::text(text)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(answer.contains("\"userAgent\""), "{answer}");
    assert_eq!(server.terminate().await, Some(0));
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    assert_eq!(proxy.wait().await.unwrap().code(), Some(0));
    let nobody = valet(home.path(), &["app-server", "proxy"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(nobody.status.code() == Some(1) && said.contains("cannot connect to "), "{said}");
}
