//! A home directory that points the binary at a sim, and the binary itself.

use std::panic::Location;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use valet_sim::Sim;

/// No test waits longer for one thing.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Waits, but not forever.
#[track_caller]
pub(crate) fn in_time<F: Future>(wanted: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        let waited = tokio::time::timeout(LIMIT, wanted).await;
        waited.unwrap_or_else(|_| panic!("nothing came within {LIMIT:?}, at {place}"))
    }
}

/// Sends a signal to a process.
#[cfg(unix)]
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    use rustix::process::{Pid, kill_process};
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// A websocket without a client around it.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The binary under test.
pub(crate) const VALET: &str = env!("CARGO_BIN_EXE_valet");

/// A home directory whose `config.toml` names the sim as model provider and as ChatGPT backend.
pub(crate) fn home(sim: &Sim) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    write_config(home.path(), &sim.origin());
    home
}

/// Writes the `config.toml` that points at a sim.
pub(crate) fn write_config(home: &Path, origin: &str) {
    let text = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"sim\"\n\
         chatgpt_base_url = \"{origin}/backend-api\"\n\
         [model_providers.sim]\n\
         base_url = \"{origin}/v1\"\n\
         wire_api = \"responses\"\n\
         requires_openai_auth = true\n\
         stream_max_retries = 0\n\
         request_max_retries = 0\n"
    );
    std::fs::write(home.join("config.toml"), text).unwrap();
}

/// `valet ARGS` in that home.
pub(crate) fn valet(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(VALET);
    command.args(args).env("VALET_HOME", home).env_remove("CODEX_HOME").env_remove("VALET_LOG");
    // The backend is on this machine, and no proxy is asked for it.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command
}

/// What a test does, and what it does with `VALET_LONG_TESTS=1`.
pub(crate) fn long<T>(usual: T, long: T) -> T {
    if std::env::var("VALET_LONG_TESTS").is_ok_and(|value| value == "1") { long } else { usual }
}

/// `valet app-server` on a port of its own; with its address.
pub(crate) async fn listening(home: &Path, args: &[&str]) -> (Child, String) {
    let args = [&["app-server", "--listen", "ws://127.0.0.1:0"], args].concat();
    let mut command = tokio::process::Command::from(valet(home, &args));
    let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = in_time(lines.next_line()).await.unwrap().unwrap();
    // The rest is read, so that nothing waits for it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, line.rsplit("ws://").next().unwrap().to_owned())
}

pub(crate) async fn socket(address: &str) -> Socket {
    tokio_tungstenite::connect_async(format!("ws://{address}/")).await.unwrap().0
}

/// The status of a plain GET.
pub(crate) async fn http_status(address: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
