//! Files and watches over the wire, with the error texts that clients know.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use valet_protocol::methods as m;
use valet_protocol::v2::AbsolutePath;
use valet_sim::Script;
use valet_tests::{TestClient, TestHost};

async fn client() -> (TestHost, TestClient, TempDir, PathBuf) {
    let host = TestHost::start(Script::new()).await;
    let client = host.client().await;
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    (host, client, folder, path)
}

/// The code and the words of a refusal.
async fn refusal(client: &mut TestClient, method: &str, params: Value) -> (i64, String, Option<String>) {
    let refusal = client.refused(method, params).await;
    (refusal.code, refusal.message, refusal.kind)
}

fn of_the_system(text: &str) -> (i64, String, Option<String>) {
    (-32603, text.to_owned(), Some("fileSystem".to_owned()))
}

fn refused(text: &str) -> (i64, String, Option<String>) {
    (-32600, text.to_owned(), Some("fileSystem".to_owned()))
}

fn invalid(text: &str) -> (i64, String, Option<String>) {
    (-32600, text.to_owned(), Some("invalidParams".to_owned()))
}

#[tokio::test]
async fn a_file_is_written_read_and_described() {
    let (_host, mut client, _folder, path) = client().await;
    let file = path.join("a.txt");
    let written = client.call("fs/writeFile", json!({ "path": file, "dataBase64": "aGVsbG8=" })).await.unwrap();
    assert_eq!(written, json!({}));
    let around = path.join("no/../a.txt");
    let read = client.call("fs/readFile", json!({ "path": around })).await.unwrap();
    assert_eq!(read, json!({ "dataBase64": "aGVsbG8=" }));
    let mut facts = client.call("fs/getMetadata", json!({ "path": file })).await.unwrap();
    assert!(facts["modifiedAtMs"].take().as_i64().unwrap() > 1_700_000_000_000);
    assert!(facts["createdAtMs"].take().is_i64());
    let plain =
        json!({ "isDirectory": false, "isFile": true, "isSymlink": false, "createdAtMs": null, "modifiedAtMs": null });
    assert_eq!(facts, plain);
    let entries = client.call("fs/readDirectory", json!({ "path": path })).await.unwrap();
    assert_eq!(entries, json!({ "entries": [{ "fileName": "a.txt", "isDirectory": false, "isFile": true }] }));
}

#[tokio::test]
async fn directories_are_made_copied_and_removed() {
    let (_host, mut client, _folder, path) = client().await;
    for _ in 0..2 {
        client.call("fs/createDirectory", json!({ "path": path.join("a/b"), "recursive": null })).await.unwrap();
    }
    fs::write(path.join("a/b/file"), "text").unwrap();
    let copy = json!({ "sourcePath": path.join("a"), "destinationPath": path.join("new/c"), "recursive": true });
    client.call("fs/copy", copy).await.unwrap();
    assert_eq!(fs::read_to_string(path.join("new/c/b/file")).unwrap(), "text");
    let onto_itself = json!({ "sourcePath": path.join("a/b/file"), "destinationPath": path.join("a/b/file") });
    client.call("fs/copy", onto_itself).await.unwrap();
    assert_eq!(fs::read_to_string(path.join("a/b/file")).unwrap(), "text");
    client.call("fs/remove", json!({ "path": path.join("a") })).await.unwrap();
    client.call("fs/remove", json!({ "path": path.join("a"), "recursive": null, "force": null })).await.unwrap();
    assert!(!path.join("a").exists());
}

#[tokio::test]
async fn refusals_say_what_the_reference_says() {
    let (_host, mut client, _folder, path) = client().await;
    let text = path.display().to_string();
    fs::create_dir(path.join("full")).unwrap();
    fs::write(path.join("full/file"), "").unwrap();
    let relative = invalid("Invalid request: AbsolutePathBuf deserialized without a base path");
    let missing = of_the_system("No such file or directory (os error 2)");
    let copy = |from: &str, to: &str| json!({ "sourcePath": path.join(from), "destinationPath": path.join(to) });
    let mut endless = copy("full", "full/in");
    endless["recursive"] = json!(true);
    let cases = [
        ("fs/readFile", json!({ "path": "relative" }), relative.clone()),
        (
            "fs/readFile",
            json!({ "path": 5 }),
            invalid("Invalid request: invalid type: integer `5`, expected path string"),
        ),
        ("fs/readFile", json!({}), invalid("Invalid request: missing field `path`")),
        ("fs/readFile", json!({ "path": path }), refused(&format!("path `{text}` is not a file"))),
        ("fs/readFile", json!({ "path": path.join("no") }), missing.clone()),
        (
            "fs/writeFile",
            json!({ "path": path.join("a"), "dataBase64": "!!" }),
            invalid("fs/writeFile requires valid base64 dataBase64: Invalid symbol 33, offset 0."),
        ),
        ("fs/writeFile", json!({ "path": path.join("no/a"), "dataBase64": "" }), missing.clone()),
        (
            "fs/createDirectory",
            json!({ "path": path.join("full"), "recursive": false }),
            of_the_system("File exists (os error 17)"),
        ),
        ("fs/getMetadata", json!({ "path": path.join("no") }), missing.clone()),
        ("fs/readDirectory", json!({ "path": path.join("full/file") }), of_the_system("Not a directory (os error 20)")),
        (
            "fs/remove",
            json!({ "path": path.join("full"), "recursive": false }),
            of_the_system("Directory not empty (os error 39)"),
        ),
        ("fs/remove", json!({ "path": path.join("no"), "force": false }), missing.clone()),
        ("fs/copy", copy("no", "there"), missing.clone()),
        ("fs/copy", copy("full", "there"), refused("fs/copy requires recursive: true when sourcePath is a directory")),
        ("fs/copy", endless, refused("fs/copy cannot copy a directory to itself or one of its descendants")),
        ("fs/watch", json!({ "watchId": "w", "path": "relative" }), relative),
        ("fs/watch", json!({ "watchId": "w", "path": path.join("no/where") }), missing),
    ];
    for (method, params, expected) in cases {
        assert_eq!(refusal(&mut client, method, params).await, expected, "{method}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_neither_file_nor_directory_is_neither_read_nor_copied() {
    let (_host, mut client, _folder, path) = client().await;
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
    let text = path.join("socket").display().to_string();
    let read = refusal(&mut client, "fs/readFile", json!({ "path": path.join("socket") })).await;
    assert_eq!(read, refused(&format!("path `{text}` is not a file")));
    let copy = json!({ "sourcePath": path.join("socket"), "destinationPath": path.join("copy") });
    let copied = refusal(&mut client, "fs/copy", copy).await;
    assert_eq!(copied, refused("fs/copy only supports regular files, directories, and symlinks"));
}

#[tokio::test]
async fn a_file_that_is_too_large_is_named_with_the_limit() {
    let (_host, mut client, _folder, path) = client().await;
    fs::File::create(path.join("large")).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    let read = refusal(&mut client, "fs/readFile", json!({ "path": path.join("large") })).await;
    assert_eq!(read, refused("file is too large to read: limit is 16777216 bytes"));
}

/// The next change told, with the watch's name.
async fn changed(client: &mut TestClient) -> (String, Vec<AbsolutePath>) {
    let changed = client.wait_for::<m::FsChanged>().await;
    (changed.watch_id, changed.changed_paths)
}

fn absolute(path: &Path) -> AbsolutePath {
    AbsolutePath::new(path).unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_that_is_no_text_is_told_with_a_sign_in_its_place() {
    use std::os::unix::ffi::OsStrExt;

    let (_host, mut client, _folder, path) = client().await;
    client.call("fs/watch", json!({ "watchId": "w", "path": path })).await.unwrap();
    fs::write(path.join(std::ffi::OsStr::from_bytes(b"bad\xff")), "x").unwrap();
    let (_, paths) = changed(&mut client).await;
    assert_eq!(paths, [absolute(&path.join("bad\u{fffd}"))]);
}

#[tokio::test]
async fn a_watch_tells_its_own_connection_until_it_is_ended() {
    let (host, mut client, _folder, path) = client().await;
    let stranger = host.client().await;
    let begun = client.call("fs/watch", json!({ "watchId": "w", "path": path.join("./x/..") })).await.unwrap();
    assert_eq!(begun, json!({ "path": path }));
    let again = client.refused("fs/watch", json!({ "watchId": "w", "path": path })).await;
    assert_eq!(again.message, "watchId already exists: w");
    fs::write(path.join("b"), "").unwrap();
    fs::write(path.join("a"), "").unwrap();
    assert_eq!(
        changed(&mut client).await,
        ("w".to_owned(), vec![absolute(&path.join("a")), absolute(&path.join("b"))])
    );
    client.call("fs/watch", json!({ "watchId": "file", "path": path.join("file") })).await.unwrap();
    for id in ["w", "w", "never"] {
        assert_eq!(client.call("fs/unwatch", json!({ "watchId": id })).await.unwrap(), json!({}));
    }
    fs::write(path.join("c"), "").unwrap();
    fs::write(path.join("file"), "").unwrap();
    assert_eq!(changed(&mut client).await, ("file".to_owned(), vec![absolute(&path.join("file"))]));
    let record = stranger.record();
    assert!(record.messages().iter().all(|(_, message)| message["method"] != "fs/changed"));
}

#[tokio::test]
async fn a_watch_that_is_ended_and_begun_again_without_waiting_is_the_one_that_was_asked_for_last() {
    let (_host, mut client, _folder, path) = client().await;
    let steps = |name: &str| {
        let (watch, end) = (json!({ "watchId": name, "path": path }), json!({ "watchId": name }));
        [("fs/watch", watch.clone()), ("fs/unwatch", end.clone()), ("fs/watch", watch), ("fs/unwatch", end)]
    };
    let asked: Vec<_> = (0..30).flat_map(|number| steps(&number.to_string())).collect();
    let answers: Vec<_> = asked.into_iter().map(|(method, params)| client.begin(method, params)).collect();
    for answer in answers {
        answer.await.unwrap();
    }
    client.call("fs/watch", json!({ "watchId": "last", "path": path })).await.unwrap();
    fs::write(path.join("a"), "").unwrap();
    assert_eq!(changed(&mut client).await.0, "last", "nothing is told of those that were ended");
}

#[tokio::test]
async fn the_same_name_stands_for_other_watches_on_other_connections() {
    let (host, mut one, _folder, path) = client().await;
    let mut other = host.client().await;
    for (client, name) in [(&mut one, "one"), (&mut other, "other")] {
        fs::create_dir(path.join(name)).unwrap();
        client.call("fs/watch", json!({ "watchId": "w", "path": path.join(name) })).await.unwrap();
    }
    drop(one);
    fs::write(path.join("other/a"), "").unwrap();
    assert_eq!(changed(&mut other).await, ("w".to_owned(), vec![absolute(&path.join("other/a"))]));
}
