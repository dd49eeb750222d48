//! The sandbox: what must not work, what must, and for whom. The same tests are run as an ordinary user, and those of
//! the floor once more where there are no mount namespaces.

pub(crate) mod hidden;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use valet_exec::{Exit, Gap, Launcher, Limits, Sandbox, Size, SpawnError, Spec, Stdio, Support};

use crate::attempts::ROLE;
use crate::harness::{Done, installed, program, run, sh};

crate::harness::tests![
    this_kernel_does_all_of_it,
    writing_outside_fails_however_it_is_tried,
    read_only_means_nothing_is_written,
    what_is_protected_stays_as_it_is,
    what_is_hidden_cannot_be_read,
    modes_owners_times_and_attributes_outside_stay,
    the_host_cannot_be_looked_into,
    the_host_gets_no_signals,
    there_is_no_network,
    with_network_there_is_ip_and_nothing_else,
    dangerous_system_calls_are_refused,
    nothing_is_left_of_roots_powers,
    devices_of_the_machine_are_out_of_reach,
    the_tools_of_the_trade_work,
    python_and_its_shared_memory_work,
    git_reads_a_protected_repository,
    a_compiler_works,
    a_terminal_works_inside,
    a_daemon_in_the_sandbox_is_ended_as_well,
    missing_programs_are_told_as_without_a_sandbox,
    strange_names_are_no_obstacle,
    paths_that_are_not_there_do_no_harm,
    a_path_that_may_lead_elsewhere_is_refused,
    without_a_sandbox_nothing_is_run,
    all_of_this_holds_for_an_ordinary_user,
    without_mounts_the_floor_holds_and_the_gap_is_told,
];

/// A folder to work in and a folder to be left alone, side by side.
struct Place {
    base: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { base: tempfile::Builder::new().prefix("valet exec ").tempdir().unwrap() };
        fs::create_dir_all(place.root().join(".git/hooks")).unwrap();
        fs::create_dir(place.outside()).unwrap();
        fs::write(place.root().join(".git/config"), "kept").unwrap();
        fs::write(place.root().join("file"), "inside").unwrap();
        fs::write(place.outside().join("file"), "kept").unwrap();
        fs::write(place.outside().join("secret"), "secret").unwrap();
        fs::set_permissions(place.outside().join("file"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink(place.outside(), place.root().join("way out")).unwrap();
        symlink(place.outside().join("file"), place.root().join("link")).unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.base.path().join("inside")
    }

    fn outside(&self) -> PathBuf {
        self.base.path().join("outside")
    }

    fn limits(&self) -> Limits {
        let hidden = vec![self.outside().join("secret")];
        Limits { writable: vec![self.root()], protected: vec![self.root().join(".git")], hidden, network: false }
    }

    /// The command with these limits, at work in the root.
    fn confine(&self, mut spec: Spec) -> Spec {
        spec.cwd = self.root();
        spec.env.insert("OUT".into(), self.outside().into());
        spec.env.insert("HOME".into(), self.root().into());
        spec.sandbox = Sandbox::Confined(self.limits());
        spec
    }

    async fn sh(&self, script: &str) -> Done {
        run(self.confine(sh(script))).await
    }

    /// What this program says of an attempt.
    async fn attempt(&self, name: &str, on: &str) -> String {
        run(self.confine(this([ROLE, name, on]))).await.success().trim().to_owned()
    }

    #[track_caller]
    fn assert_untouched(&self, after: &str) {
        let names = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&self.outside()), ["file", "secret"], "{after}");
        assert_eq!(names(&self.root().join(".git")), ["config", "hooks"], "{after}");
        assert_eq!(names(&self.root().join(".git/hooks")), [""; 0], "{after}");
        for file in [self.outside().join("file"), self.root().join(".git/config")] {
            assert_eq!(fs::read_to_string(&file).unwrap(), "kept", "{after}");
            assert_eq!(fs::metadata(&file).unwrap().nlink(), 1, "{after}");
        }
    }
}

/// This program in one of its roles.
fn this<const N: usize>(arguments: [&str; N]) -> Spec {
    let mut spec = program(arguments);
    spec.argv.insert(0, std::env::current_exe().unwrap().into());
    spec
}

/// Whether the tests run where mounts are refused, see [`without_mounts_the_floor_holds_and_the_gap_is_told`].
fn on_the_floor() -> bool {
    std::env::var_os("ON_THE_FLOOR").is_some()
}

async fn this_kernel_does_all_of_it() {
    assert_eq!(Launcher::default().support().await, Support::Full);
}

async fn writing_outside_fails_however_it_is_tried() {
    let place = Place::new();
    let ways = [
        "echo x > \"$OUT/file\"",
        "echo x > ../outside/file",
        "echo x > ../outside/new",
        "echo x > 'way out/file'",
        "echo x > 'way out/new'",
        "echo x > link",
        "echo x >> link",
        ": > link",
        "mkdir ../outside/new",
        "rm ../outside/file",
        "rmdir ../outside",
        "mv ../outside/file stolen",
        "mv file ../outside/file",
        "mv ../outside taken",
        "mv ../inside ../moved",
        "ln ../outside/file hard && echo x > hard",
        "ln file ../outside/hard",
        "ln -s x ../outside/soft",
        "mkfifo ../outside/fifo",
        "cp file ../outside/file",
        "truncate -s 0 ../outside/file",
        "echo x > \"/proc/self/root$OUT/file\"",
        "echo x > \"/proc/self/cwd/../outside/file\"",
        "echo x > \"/proc/$PPID/root$OUT/file\"",
        "exec 3< ../outside/file && echo x > /proc/self/fd/3",
        "exec 3< ../outside && echo x > /proc/self/fd/3/file",
        "exec 3<> ../outside/file && echo x >&3",
        "dd if=/dev/zero of=\"$OUT/file\" conv=notrunc count=1",
        "echo x > /etc/valet-was-here",
        "echo x > /tmp/valet-was-here",
        "echo x > /dev/valet-was-here && test ! -e /dev/pts/ptmx",
        "echo x > /proc/sys/kernel/core_pattern",
        "cd .. && echo x > valet-was-here",
    ];
    for way in ways {
        let done = place.sh(way).await;
        assert!(matches!(done.exit, Exit::Code(1..)), "{way}: {done:?}");
        place.assert_untouched(way);
    }
    for trace in ["/etc/valet-was-here", "/tmp/valet-was-here", "/dev/valet-was-here"] {
        assert!(!Path::new(trace).exists(), "{trace}");
    }
}

async fn read_only_means_nothing_is_written() {
    let place = Place::new();
    let mut spec = place.confine(sh("cat file; echo x > /dev/null; echo x > file; echo x > new"));
    spec.sandbox = Sandbox::Confined(Limits::default());
    let done = run(spec).await;
    assert_eq!((done.exit, &*done.stdout, done.stderr.lines().count()), (Exit::Code(2), "inside", 2), "{done:?}");
    assert!(!place.root().join("new").exists());
}

async fn what_is_protected_stays_as_it_is() {
    let place = Place::new();
    let ways = [
        "echo x > .git/config",
        "echo x > .git/hooks/pre-commit",
        "rm .git/config",
        "rm -rf .git",
        "mv .git git",
        "chmod 777 .git/config",
        "ln .git/config hard && echo x > hard",
        "mv .git/config elsewhere",
        "cd .git && echo x > config",
        "ln -s .git alias && echo x > alias/config",
    ];
    for way in ways {
        let done = place.sh(way).await;
        assert!(matches!(done.exit, Exit::Code(1..)), "{way}: {done:?}");
        place.assert_untouched(way);
    }
    assert_eq!(place.sh("mkdir sub && echo x > sub/file && echo x > new && cat .git/config").await.success(), "kept");
}

async fn what_is_hidden_cannot_be_read() {
    let place = Place::new();
    let done = place.sh("cat \"$OUT/secret\"").await;
    assert!(done.exit != Exit::Code(0) && done.stdout.is_empty(), "{done:?}");
    let done = place.sh("ln \"$OUT/secret\" here && cat here").await;
    assert!(done.exit != Exit::Code(0) && done.stdout.is_empty(), "{done:?}");
    let mut spec = place.confine(sh("ls \"$OUT\"; cat \"$OUT/file\" ../inside/file"));
    spec.sandbox = Sandbox::Confined(Limits { hidden: vec![place.outside()], ..Limits::default() });
    let done = run(spec).await;
    assert_eq!(done.stdout, "inside", "{done:?}");
}

async fn modes_owners_times_and_attributes_outside_stay() {
    let place = Place::new();
    let file = place.outside().join("file");
    let before = fs::metadata(&file).unwrap();
    for way in
        ["chmod 777 \"$OUT/file\"", "chmod 777 link", "chown 12345 \"$OUT/file\"", "touch -d 2001-01-01 \"$OUT/file\""]
    {
        let done = place.sh(way).await;
        assert!(matches!(done.exit, Exit::Code(1..)), "{way}: {done:?}");
    }
    assert_ne!(place.attempt("xattr", file.to_str().unwrap()).await, "done");
    let after = fs::metadata(&file).unwrap();
    assert_eq!((before.mode(), before.uid(), before.mtime()), (after.mode(), after.uid(), after.mtime()));
    // Inside, it is the command's own business.
    place.sh("chmod 700 file && touch -d 2001-01-01 file && test -x file").await.success();
}

async fn the_host_cannot_be_looked_into() {
    let place = Place::new();
    let host = std::process::id();
    for what in ["environ", "mem", "maps", "fd/0", "root/etc/passwd", "cwd/.", "auxv"] {
        let done = place.sh(&format!("head -c 1 /proc/{host}/{what}")).await;
        assert!(done.exit != Exit::Code(0) && done.stdout.is_empty(), "{what}: {done:?}");
        let done = place.sh(&format!("head -c 1 /proc/$PPID/{what}")).await;
        assert!(done.exit != Exit::Code(0) && done.stdout.is_empty(), "{what} of the supervisor: {done:?}");
    }
    // That there are descriptors can be seen, but not what they are.
    let done = place.sh(&format!("readlink /proc/{host}/fd/* /proc/{host}/exe /proc/$PPID/fd/*")).await;
    assert!(done.exit != Exit::Code(0) && done.stdout.is_empty(), "{done:?}");
}

async fn the_host_gets_no_signals() {
    let place = Place::new();
    assert_ne!(place.attempt("signal", &std::process::id().to_string()).await, "done");
    let done = place.sh("kill -9 $PPID; sleep 1000 & kill $!; wait $!; echo $?").await;
    assert_eq!((done.exit, &*done.stdout), (Exit::Code(0), "143\n"), "{done:?}");
}

async fn there_is_no_network() {
    let place = Place::new();
    let listener = UnixListener::bind(place.root().join("socket")).unwrap();
    let socket = place.root().join("socket");
    let socket = socket.to_str().unwrap();
    for name in ["tcp4", "tcp6", "udp", "raw", "netlink", "packet", "vsock", "unix", "listen", "abstract", "datagrams"]
    {
        let said = place.attempt(name, socket).await;
        assert!(said.contains("not permitted"), "{name}: {said}");
    }
    assert_eq!(place.attempt("pair", "").await, "done");
    drop(listener);
}

async fn with_network_there_is_ip_and_nothing_else() {
    let place = Place::new();
    let _listener = UnixListener::bind(place.root().join("socket")).unwrap();
    let socket = place.root().join("socket");
    let mut said = Vec::new();
    for name in ["tcp4", "udp", "netlink", "pair", "raw", "audit", "packet", "unix", "listen", "abstract", "datagrams"]
    {
        let mut spec = place.confine(this([ROLE, name, socket.to_str().unwrap()]));
        spec.sandbox = Sandbox::Confined(Limits { network: true, ..place.limits() });
        said.push((name, run(spec).await.success().trim() == "done"));
    }
    let works = said.iter().filter_map(|(name, done)| done.then_some(*name)).collect::<Vec<_>>();
    assert_eq!(works, ["tcp4", "udp", "netlink", "pair"]);
}

async fn dangerous_system_calls_are_refused() {
    if !installed("python3") {
        return println!("skipped: no python3");
    }
    let place = Place::new();
    // io_uring_setup, ptrace, mount, bpf, userfaultfd, keyctl by number and by x32 number, TIOCSTI, and the limits
    // of another process.
    let script = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n\
        for call in 425, 425 | 1 << 30, 101, 101 | 1 << 30, 165, 321, 323, 250, 272 | 1 << 31:\n\
        \x20   ctypes.set_errno(0); libc.syscall(ctypes.c_long(call), 0, 0, 0, 0, 0)\n\
        \x20   print(ctypes.get_errno(), end=' ')\n\
        ctypes.set_errno(0); libc.ioctl(0, 0x5412, b'x'); print(ctypes.get_errno(), end=' ')\n\
        ctypes.set_errno(0); libc.prlimit(os.getppid(), 7, None, None); print(ctypes.get_errno(), libc.prlimit(0, 7, None, None))";
    if cfg!(target_arch = "x86_64") {
        let done = run(place.confine(program(["python3", "-c", script]))).await.success();
        assert_eq!(done, "1 1 1 1 1 1 1 1 38 1 1 0\n");
    }
}

async fn nothing_is_left_of_roots_powers() {
    let place = Place::new();
    let status = place.sh("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status").await.success();
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID and nothing else, if that.
    let allowed = 0b11011_u64;
    for line in status.lines().filter(|line| line.starts_with("CapEff")) {
        let held = u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap();
        assert_eq!(held & !allowed, 0, "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
}

async fn devices_of_the_machine_are_out_of_reach() {
    let place = Place::new();
    let listed = place.sh("ls /dev").await.success();
    assert_eq!(listed, "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
    assert_eq!(place.sh("ls /dev/pts").await.success(), "ptmx\n");
    assert!(place.sh("mknod disk b 254 0 && cat disk").await.exit != Exit::Code(0));
    assert_eq!(place.attempt("pty", "").await, "done");
}

async fn the_tools_of_the_trade_work() {
    let place = Place::new();
    let done = place
        .sh("echo b > new; echo a >> new; sort new | tr '\\n' ' '; mkdir -p a/b; mv new a/b/; ls a/b; rm -r a")
        .await;
    assert_eq!(done.success(), "a b new\n");
    let done = place
        .sh("head -c 4 /dev/urandom | wc -c; echo x > /dev/null; echo out > /dev/stdout; echo $((1+1)) | cat")
        .await;
    assert_eq!(done.success(), "4\nout\n2\n");
    let mut spec = place.confine(sh("t=$(mktemp -p /tmp) && echo x > $t && rm $t"));
    spec.sandbox = Sandbox::Confined(Limits { writable: vec!["/tmp".into()], ..Limits::default() });
    run(spec).await.success();
}

async fn python_and_its_shared_memory_work() {
    if !installed("python3") {
        return println!("skipped: no python3");
    }
    let place = Place::new();
    let script = "import multiprocessing.shared_memory as m, os, pty, subprocess\n\
        s = m.SharedMemory(create=True, size=4096); s.buf[0] = 7; s.close(); s.unlink()\n\
        print(subprocess.check_output(['echo', 'hi']).decode().strip(), len(os.urandom(3)), len(pty.openpty()))";
    assert_eq!(run(place.confine(program(["python3", "-c", script]))).await.success(), "hi 3 2\n");
}

async fn git_reads_a_protected_repository() {
    if !installed("git") {
        return println!("skipped: no git");
    }
    let place = Place::new();
    fs::remove_dir_all(place.root().join(".git")).unwrap();
    let mut init = sh("git init -q && git add file && git -c user.name=a -c user.email=b commit -qm first");
    init.cwd = place.root();
    init.env.insert("HOME".into(), place.root().into());
    run(init).await.success();
    assert_eq!(
        place
            .sh("echo more > file; git status --short file; git diff --stat | tail -1; git log --format=%s")
            .await
            .success(),
        " M file\n 1 file changed, 1 insertion(+), 1 deletion(-)\nfirst\n"
    );
    assert!(place.sh("git -c user.name=a -c user.email=b commit -qam second").await.exit != Exit::Code(0));
}

async fn a_compiler_works() {
    if !installed("cc") {
        return println!("skipped: no cc");
    }
    let place = Place::new();
    let mut spec = place.confine(sh("echo 'int main(void) { return 5; }' > a.c && cc a.c -o a && ./a"));
    spec.env.insert("TMPDIR".into(), place.root().into());
    let done = run(spec).await;
    assert_eq!(done.exit, Exit::Code(5), "{done:?}");
}

async fn a_terminal_works_inside() {
    let place = Place::new();
    let mut spec =
        place.confine(sh("tty; echo a > /dev/tty; echo b > /dev/stdout; stty size; echo x > ../outside/file"));
    spec.stdio = Stdio::Pty(Size { rows: 7, cols: 9 });
    let done = run(spec).await;
    assert!(done.stdout.contains("/dev/") && done.stdout.contains("\r\na\r\nb\r\n7 9\r\n"), "{done:?}");
    assert!(done.exit != Exit::Code(0), "{done:?}");
    place.assert_untouched("a terminal");
}

async fn a_daemon_in_the_sandbox_is_ended_as_well() {
    let place = Place::new();
    // Its output ends when it does, which `run` waits for.
    place.sh("(setsid sh -c '(trap \"\" TERM; sleep 1000) &' &)").await.success();
}

async fn missing_programs_are_told_as_without_a_sandbox() {
    let place = Place::new();
    let done = run(place.confine(program(["there-is-no-such-program"]))).await;
    assert_eq!((done.exit, &*done.stderr), (Exit::Code(127), "there-is-no-such-program: not found\n"));
}

async fn strange_names_are_no_obstacle() {
    let place = Place::new();
    let odd = place.root().join("a\\040 b\tc\nd");
    fs::create_dir(&odd).unwrap();
    fs::create_dir(odd.join(".git")).unwrap();
    let mut spec = place.confine(sh("echo x > new; echo x > .git/new; echo x > ../new"));
    spec.cwd.clone_from(&odd);
    spec.sandbox = Sandbox::Confined(Limits {
        writable: vec![odd.clone()],
        protected: vec![odd.join(".git")],
        ..Limits::default()
    });
    assert_eq!(run(spec).await.exit, Exit::Code(2));
    assert!(odd.join("new").exists() && !odd.join(".git/new").exists() && !place.root().join("new").exists());
}

async fn paths_that_are_not_there_do_no_harm() {
    let place = Place::new();
    let mut spec = place.confine(sh("echo x > new && cat new"));
    let missing = || vec![place.base.path().join("missing")];
    let mut limits = Limits { protected: missing(), hidden: missing(), ..place.limits() };
    limits.writable.extend(missing());
    spec.sandbox = Sandbox::Confined(limits);
    assert_eq!(run(spec).await.success(), "x\n");
}

async fn a_path_that_may_lead_elsewhere_is_refused() {
    let place = Place::new();
    // The last is what a command could make of a folder that it may write to and that the next may write to as well.
    for path in [".".into(), place.root().join("../outside"), place.root().join("way out")] {
        let mut spec = place.confine(sh("true"));
        spec.sandbox = Sandbox::Confined(Limits { writable: vec![place.root(), path], ..Limits::default() });
        let error = Launcher::default().spawn(spec).await.unwrap_err();
        assert!(matches!(error, SpawnError::Invalid(_)), "{error:?}");
    }
}

async fn without_a_sandbox_nothing_is_run() {
    let place = Place::new();
    // A helper that cannot try the sandbox is as good as a kernel that has none.
    let launcher = Launcher::with_helper("/bin/true".into());
    assert!(matches!(launcher.support().await, Support::None { .. }));
    let error = launcher.spawn(place.confine(sh("echo x > new"))).await.unwrap_err();
    assert!(matches!(error, SpawnError::Sandbox(_)), "{error:?}");
    assert!(!place.root().join("new").exists());
}

/// Runs the tests of this module again with other words before them.
async fn again(before: &[&str], folder: &Path, tests: &[&str], sandbox: Sandbox) {
    let copy = folder.join("commands");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let mut spec = program([]);
    spec.argv.extend(before.iter().map(Into::into));
    spec.argv.push(copy.into());
    spec.argv.extend(tests.iter().map(Into::into));
    spec.env.insert("TMPDIR".into(), folder.into());
    spec.env.insert("AGAIN".into(), "1".into());
    if sandbox != Sandbox::None {
        spec.env.insert("ON_THE_FLOOR".into(), "1".into());
    }
    spec.sandbox = sandbox;
    let done = run(spec).await;
    assert_eq!(done.exit, Exit::Code(0), "{}{}", done.stdout, done.stderr);
    assert!(!done.stdout.contains(" 0 passed"), "{}", done.stdout);
}

async fn all_of_this_holds_for_an_ordinary_user() {
    if std::env::var_os("AGAIN").is_some() || !rustix::process::geteuid().is_root() || !installed("setpriv") {
        return println!("skipped: it does already, or it is nobody's to change");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let nobody = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"];
    again(&nobody, folder.path(), &["--test-threads=2", "confined::"], Sandbox::None).await;
}

async fn without_mounts_the_floor_holds_and_the_gap_is_told() {
    if on_the_floor() {
        let support = Launcher::default().support().await;
        return assert_eq!(support, Support::Partial { missing: vec![Gap::Mounts] });
    }
    if std::env::var_os("AGAIN").is_some() {
        return println!("skipped: run from outside");
    }
    // A confined command cannot mount, so a host in a sandbox is a host on such a machine.
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { writable: vec!["/".into()], network: true, ..Limits::default() };
    let tests = [
        "without_mounts_the_floor",
        "writing_outside_fails",
        "read_only_means",
        "the_host_cannot_be_looked_into",
        "the_host_gets_no_signals",
        "dangerous_system_calls",
        "nothing_is_left_of_roots_powers",
        "the_tools_of_the_trade",
        "a_terminal_works_inside",
    ];
    for test in tests {
        again(&[], folder.path(), &[test], Sandbox::Confined(limits.clone())).await;
    }
}
