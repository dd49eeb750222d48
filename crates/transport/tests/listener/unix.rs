//! Socket files: where they may be, who has them, and what is left of them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use valet_transport::listener::{Endpoint, Listener, listen};

use crate::support::{serve, settings};

async fn at(path: &Path) -> Result<Listener, String> {
    listen(Endpoint::Unix(path.to_owned()), settings()).await.map_err(|error| error.to_string())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn left(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

#[tokio::test]
async fn a_socket_file_is_for_its_owner_and_goes_with_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/below/s");
    let listener = at(&path).await.unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&folder.path().join("new"))), (0o600, 0o700, 0o700));
    assert_eq!(listener.address.to_string(), format!("unix://{}", path.display()));
    drop(listener);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_listener_that_stops_makes_room_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut first = at(&path).await.unwrap();
    first.stop();
    let second = serve(at(&path).await.unwrap());
    // What the first leaves behind later does not touch the second.
    drop(first);
    assert_eq!(second.status("GET /healthz", "").await, 200);
}

#[tokio::test]
async fn a_path_in_use_is_refused_whoever_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let in_use = format!("app-server control socket is already in use at {}", path.display());
    let listener = at(&path).await.unwrap();
    assert_eq!(at(&path).await.unwrap_err(), in_use);
    drop(listener);
    let stranger = UnixListener::bind(&path).unwrap();
    assert_eq!(at(&path).await.unwrap_err(), in_use);
    drop(stranger);
    at(&path).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_server_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    std::fs::write(folder.path().join("s.lock"), "").unwrap();
    drop(at(&path).await.unwrap());
    symlink("/nowhere/at/all", &path).unwrap();
    drop(at(&path).await.unwrap());
    assert_eq!(left(&folder), 0);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    std::fs::write(&path, "mine").unwrap();
    let words = format!("app-server control socket path exists and is not a socket: {}", path.display());
    assert_eq!(at(&path).await.unwrap_err(), words);
    assert_eq!((std::fs::read_to_string(&path).unwrap(), left(&folder)), ("mine".to_owned(), 1));
}

#[tokio::test]
async fn a_directory_that_others_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for open in [0o770, 0o702, 0o1777] {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(open)).unwrap();
        let words = format!(
            "refusing to put the app-server control socket into {}, which others may write to (mode {open:04o}); name a directory of your own, or `chmod go-w` it",
            folder.path().display()
        );
        assert_eq!(at(&path).await.unwrap_err(), words);
        assert_eq!(left(&folder), 0);
    }
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    at(&path).await.unwrap();
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_refused_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(200));
    let length = path.as_os_str().len();
    let words = format!(
        "app-server control socket path is too long for a socket ({length} bytes): {}; name a shorter one with --listen unix://PATH",
        path.display()
    );
    assert_eq!(at(&path).await.unwrap_err(), words);
}
