//! What a model could try to get out: that the limits of the turn reach its commands. How they hold is tested where
//! they are made.

use std::os::unix::fs::symlink;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use valet_sim::Response;

use super::{Bench, command, confined, model, one_command};

/// A bench whose model tries each of these, and a folder outside with a file in it.
async fn tries(scripts: impl FnOnce(&str) -> Vec<String>) -> (Bench, TempDir) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "outside").unwrap();
    let path = outside.path().canonicalize().unwrap();
    let calls = scripts(path.to_str().unwrap());
    let calls = calls.iter().map(|script| Response::new().function_call("exec_command", command(script)));
    let mut bench = Bench::start(confined(), model(calls)).await;
    symlink(&path, bench.path("link")).unwrap();
    symlink(path.join("file"), bench.path("linked")).unwrap();
    bench.write("inside", "inside");
    bench.turn().await;
    (bench, outside)
}

/// Nothing outside has changed, and every command has failed.
fn nothing_got_out(bench: &Bench, outside: &TempDir) {
    for item in bench.items("commandExecution") {
        assert_eq!(item["status"], "failed", "{item}");
    }
    let names: Vec<_> = std::fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
    assert_eq!(std::fs::read_to_string(outside.path().join("file")).unwrap(), "outside");
}

#[tokio::test]
async fn a_command_may_write_in_its_folder_and_read_everywhere() {
    let (bench, outside) = tries(|out| vec![format!("cat {out}/file > copy && mkdir below && mv copy below")]).await;
    assert_eq!(bench.item("commandExecution")["status"], "completed", "{}", bench.output());
    assert_eq!(bench.read("below/copy"), "outside");
    drop(outside);
}

#[tokio::test]
async fn nothing_is_written_outside_by_any_name() {
    let (bench, outside) = tries(|out| {
        let name = out.rsplit('/').next().unwrap();
        vec![
            format!("echo no > {out}/file"),
            format!("echo no > ../{name}/file"),
            format!("echo no >> ../{name}/new"),
            "echo no > link/file".to_owned(),
            "echo no > linked".to_owned(),
            format!("mkdir {out}/new"),
            format!("rm -f {out}/file"),
            format!("exec 3< {out}/file && echo no > /proc/self/fd/3"),
            format!("exec 3< {out} && echo no > /proc/self/fd/3/new"),
            format!("echo no > /proc/self/root{out}/file"),
            format!("echo no > /proc/self/cwd/../{name}/file"),
            format!("chmod 777 {out}/file"),
        ]
    })
    .await;
    nothing_got_out(&bench, &outside);
}

#[tokio::test]
async fn files_do_not_pass_between_inside_and_outside_by_link_or_rename() {
    let (bench, outside) = tries(|out| {
        vec![
            format!("ln {out}/file hard && echo no > hard"),
            format!("mv -T {out}/file moved"),
            format!("mv inside {out}/new"),
            format!("ln inside {out}/new"),
            format!("python3 -c 'import os; os.rename(\"inside\", \"{out}/file\")'"),
            format!("python3 -c 'import os; os.rename(\"{out}/file\", \"moved\")'"),
        ]
    })
    .await;
    nothing_got_out(&bench, &outside);
    assert_eq!(bench.read("inside"), "inside");
}

#[tokio::test]
async fn what_is_protected_in_the_folder_is_not_written() {
    let scripts = ["echo no > .git/hooks/post-commit", "echo no >> .git/config", "mv .git git", "rm -rf .git/hooks"];
    let calls = scripts.map(|script| Response::new().function_call("exec_command", command(script)));
    let mut bench = Bench::start(confined(), model(calls)).await;
    bench.write(".git/config", "mine");
    bench.write(".git/hooks/sample", "mine");
    bench.turn().await;
    let statuses: Vec<Value> = bench.items("commandExecution").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["failed"; 4]);
    assert_eq!((bench.read(".git/config"), bench.read(".git/hooks/sample")), ("mine".to_owned(), "mine".to_owned()));
    assert!(!bench.has(".git/hooks/post-commit"));
}

#[tokio::test]
async fn the_home_of_the_host_is_not_written_even_when_it_is_in_the_folder() {
    let mut bench = Bench::start(confined(), model([])).await;
    let home = bench.host.home().canonicalize().unwrap();
    std::fs::write(home.join("auth.json"), "a secret").unwrap();
    let script = format!(
        "cat {0}/auth.json; echo 'approval_policy = \"never\"' > {0}/config.toml; mkdir {0}/rules",
        home.display()
    );
    bench.host.sim.replace_script(one_command(&script));
    let parent = json!(home.parent().unwrap());
    let policy = json!({ "type": "workspaceWrite", "writableRoots": [parent], "excludeSlashTmp": true });
    let turn = bench.begin_with(json!({ "sandboxPolicy": policy })).await;
    bench.end(&turn).await;
    let item = bench.item("commandExecution");
    assert_eq!(item["status"], "failed");
    assert!(!item.to_string().contains("a secret"), "{item}");
    assert!(std::fs::read_to_string(home.join("config.toml")).unwrap().contains("model_providers"));
    assert!(!home.join("rules").exists());
}

#[tokio::test]
async fn there_is_no_network_unless_the_turn_has_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)'");
    let mut bench = Bench::start(confined(), one_command(&connect)).await;
    bench.turn().await;
    assert_eq!(bench.item("commandExecution")["status"], "failed");
    bench.host.sim.replace_script(one_command(&connect));
    let policy = json!({ "type": "workspaceWrite", "networkAccess": true });
    let turn = bench.begin_with(json!({ "sandboxPolicy": policy })).await;
    bench.end(&turn).await;
    assert_eq!(bench.items("commandExecution")[1]["status"], "completed", "{:?}", bench.outputs());
}

#[tokio::test]
async fn the_host_is_not_looked_into() {
    let host = std::process::id();
    let scripts = ["environ", "mem", "maps", "fd/0"].map(|file| format!("head -c 1 /proc/{host}/{file}"));
    let more = [format!("readlink /proc/{host}/fd/1"), format!("ls /proc/{host}/cwd/"), format!("kill -0 {host}")];
    let (bench, outside) = tries(|_| [&scripts[..], &more].concat()).await;
    nothing_got_out(&bench, &outside);
}

#[tokio::test]
async fn a_command_has_three_descriptors() {
    let (bench, _outside) =
        tries(|_| vec!["for fd in $(seq 0 99); do [ ! -e /proc/$$/fd/$fd ] || echo $fd; done".to_owned()]).await;
    assert_eq!(bench.printed(), "0\n1\n2\n");
}

#[tokio::test]
async fn where_only_reading_is_allowed_nothing_is_written_in_the_folder_either() {
    let builder = confined().with("sandbox_mode=\"read-only\"");
    let mut bench = Bench::start(builder, one_command("cat inside && echo no > made")).await;
    bench.write("inside", "inside");
    bench.turn().await;
    assert!(!bench.has("made"));
    assert!(bench.printed().starts_with("inside"));
    assert_eq!(bench.item("commandExecution")["status"], "failed");
}
