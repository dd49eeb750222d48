//! What is hidden from a command: not what it was when the command started, but what has the name.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pretty_assertions::assert_eq;
use valet_exec::{Exit, Limits, Sandbox, Spec, Stdio};

use super::Place;
use crate::harness::{read, run, sh, start, until};

crate::harness::tests![
    what_takes_the_place_of_a_hidden_file_is_hidden_as_well,
    what_a_hidden_link_leads_to_is_hidden_however_it_is_reached,
    the_rest_of_the_folder_is_as_it_was,
    a_workspace_beside_what_is_hidden_works,
    a_folder_of_thousands_is_no_obstacle,
    what_is_replaced_while_a_command_starts_is_no_obstacle,
    in_a_writable_folder_what_exists_is_hidden,
];

/// A shell at work in the root, with these paths of the outside hidden.
fn shell(place: &Place, script: &str, hidden: &[&str]) -> Spec {
    let hidden = hidden.iter().map(|name| place.outside().join(name)).collect();
    let mut spec = place.confine(sh(script));
    spec.sandbox = Sandbox::Confined(Limits { hidden, ..place.limits() });
    spec
}

/// Puts another file in the place of one, as a whole.
fn replace(path: &Path) {
    let new = path.with_file_name("new");
    fs::write(&new, "secret").unwrap();
    fs::rename(new, path).unwrap();
}

/// What a command says that goes on once the outside has changed.
async fn meanwhile(mut spec: Spec, change: impl FnOnce()) -> String {
    spec.stdio = Stdio::Pipes { stdin: true };
    let (running, mut output) = start(spec).await;
    until(&mut output, "ready\n").await;
    change();
    running.write(b"go\n").await.unwrap();
    let (stdout, _) = read(output).await;
    running.end().await;
    stdout
}

async fn what_takes_the_place_of_a_hidden_file_is_hidden_as_well() {
    let place = Place::new();
    let outside = place.outside();
    // A writer was killed before it was done.
    fs::write(outside.join("secret.x1y2"), "secret").unwrap();
    let script = "echo ready; read go; cat \"$OUT\"/* \"$OUT/secret\" \"$OUT/later\"/*; cd \"$OUT\"; ls -A";
    let said = meanwhile(shell(&place, script, &["secret", "later"]), || {
        replace(&outside.join("secret"));
        fs::create_dir(outside.join("later")).unwrap();
        fs::write(outside.join("later/one"), "secret").unwrap();
    });
    assert_eq!(said.await, "keptfile\n");
}

async fn what_a_hidden_link_leads_to_is_hidden_however_it_is_reached() {
    let place = Place::new();
    let (outside, alias) = (place.outside(), place.base.path().join("alias"));
    symlink(&outside, &alias).unwrap();
    symlink("secret", outside.join("link")).unwrap();
    let mut spec = place.confine(sh("echo ready; read go; cat \"$OUT\"/* ../alias/*; echo; ls ../alias"));
    spec.sandbox = Sandbox::Confined(Limits { hidden: vec![alias.join("link")], ..Limits::default() });
    assert_eq!(meanwhile(spec, || replace(&outside.join("secret"))).await, "keptkept\nfile\n");
}

async fn the_rest_of_the_folder_is_as_it_was() {
    let place = Place::new();
    let outside = place.outside();
    fs::create_dir_all(outside.join("deep/deeper")).unwrap();
    fs::write(outside.join("deep/deeper/file"), "below ").unwrap();
    symlink("deep/deeper/file", outside.join("link")).unwrap();
    symlink("nowhere", outside.join("dangling")).unwrap();
    fs::set_permissions(outside.join("deep"), fs::Permissions::from_mode(0o710)).unwrap();
    let script = "cat \"$OUT/link\"; cat \"$OUT/file\"; echo; readlink \"$OUT/dangling\"; ls -A \"$OUT\" | tr '\\n' ' '
        stat -c %a \"$OUT/deep\" \"$OUT/file\"; echo x > \"$OUT/deep/new\" || echo x > \"$OUT/new\" || echo kept
        chmod 777 \"$OUT/deep\" || rm \"$OUT/file\" || mv \"$OUT/deep\" \"$OUT/moved\" || echo kept
        ls -A \"$OUT/deep/deeper\"";
    let said = run(shell(&place, script, &["secret"])).await.success();
    assert_eq!(said, "below kept\nnowhere\ndangling deep file link 710\n644\nkept\nkept\nfile\n");
}

async fn a_workspace_beside_what_is_hidden_works() {
    let place = Place::new();
    let (outside, work) = (place.outside(), place.outside().join("trees/work"));
    fs::create_dir_all(work.join(".git")).unwrap();
    let mut spec = shell(&place, "echo x > new; cat new; echo x > .git/new; echo x > ../new; cat ../../secret", &[]);
    spec.cwd.clone_from(&work);
    for writable in [vec![work.clone()], vec![place.base.path().to_owned(), work.clone()]] {
        let (protected, hidden) = (vec![work.join(".git"), outside.clone()], vec![outside.join("secret")]);
        spec.sandbox = Sandbox::Confined(Limits { writable, protected, hidden, network: false });
        let done = run(spec.clone()).await;
        assert_eq!((&*done.stdout, done.stderr.lines().count()), ("x\n", 3), "{done:?}");
        assert!(!work.join(".git/new").exists() && !outside.join("trees/new").exists());
    }
}

async fn a_folder_of_thousands_is_no_obstacle() {
    let place = Place::new();
    for number in 0..2000 {
        fs::write(place.outside().join(format!("file {number}")), "kept").unwrap();
    }
    let said = run(shell(&place, "cat \"$OUT/file 1999\"; ls \"$OUT\" | wc -l", &["secret"])).await.success();
    assert_eq!(said, "kept2001\n");
}

async fn what_is_replaced_while_a_command_starts_is_no_obstacle() {
    let place = Place::new();
    let (file, protected) = (place.outside().join("file"), place.root().join(".git"));
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            while !done.load(Ordering::Relaxed) {
                replace(&file);
                fs::rename(&protected, protected.with_extension("away")).unwrap();
                fs::rename(protected.with_extension("away"), &protected).unwrap();
            }
        }
    });
    for _ in 0..30 {
        assert_eq!(run(shell(&place, "echo it runs", &["secret"])).await.success(), "it runs\n");
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

async fn in_a_writable_folder_what_exists_is_hidden() {
    let place = Place::new();
    fs::create_dir(place.outside().join("folder")).unwrap();
    fs::write(place.outside().join("folder/file"), "secret").unwrap();
    let mut spec =
        shell(&place, "cat \"$OUT/secret\"; ls \"$OUT/folder\"; cd \"$OUT\" && echo x > new && cat new", &[]);
    let hidden = ["secret", "folder", "missing"].map(|name| place.outside().join(name)).to_vec();
    spec.sandbox = Sandbox::Confined(Limits { writable: vec![place.outside()], hidden, ..Limits::default() });
    let done = run(spec).await;
    assert_eq!((done.exit, &*done.stdout), (Exit::Code(0), "x\n"), "{done:?}");
}
