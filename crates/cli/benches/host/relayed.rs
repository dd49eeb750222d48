//! What `valet run` adds between a client and an app server: how many messages a second its relay carries, and how much
//! later an answer comes. The app server is played by this program, which has all its answers ready, and the client counts
//! frames without reading them, so that neither is the bottleneck: both are shown without a relay between them, too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tempfile::TempDir;
use valet_sim::{Sim, TokenRequest};

use crate::program::{Credential, Program, point_at};
use crate::report::{Bound, Report, Row, Unit};
use crate::stand_in;
use crate::statistics::{median, percentile};

const TOKEN: &str = "the-token-of-the-bench";
const REPEATS: usize = 5;
const TRIPS: usize = 5_000;

static RATE: Row = Row {
    what: "messages per second through `valet run`",
    how: "A stand-in for an app server sends 400,000 deltas as fast as they are taken, through the relay, to a client that \
          counts. Median of 5.",
    unit: Unit::Rate,
    value: Some(Bound::AtLeast(100_000.0)),
    ..Row::PLAIN
};
static DELAY: Row = Row {
    what: "added to an answer by `valet run`, p99",
    how: "5,000 requests, one after another, to the same stand-in: the 99th of a hundred through the relay, less the one \
          without it.",
    unit: Unit::Milliseconds,
    value: Some(Bound::AtMost(1.0)),
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let sim = Sim::start(valet_sim::Script::new()).await?;
    let (rate, trip) = in_front_of(&Listening::stand_in()?)?;
    let how = "The client and the stand-in of the row above, without a relay between them.";
    report.limit("messages per second, without `valet run`", Unit::Rate.show(rate), how);
    let session = Listening::session(program, &sim)?;
    let (relayed, relayed_trip) = in_front_of(&session)?;
    report.put(&RATE, program, relayed);
    report.put(&DELAY, program, (relayed_trip.as_secs_f64() - trip.as_secs_f64()).max(0.0) * 1e3);
    drop(session);
    sim.shutdown().await;
    Ok(())
}

/// Messages per second, and the time of a round trip that one in a hundred is above.
fn in_front_of(server: &Listening) -> anyhow::Result<(f64, Duration)> {
    let mut client = Client::connect(&server.address)?;
    client.ask("initialize")?;
    for _ in 0..TRIPS / 10 {
        client.ask("thread/list")?;
    }
    let trips = (0..TRIPS).map(|_| client.ask("thread/list")).collect::<anyhow::Result<Vec<_>>>()?;
    let mut rates = Vec::new();
    for _ in 0..REPEATS {
        let begin = Instant::now();
        client.write("turn/start")?;
        let count = client.read_until(b"turn/completed")?;
        ensure!(count > stand_in::DELTAS, "{count} messages");
        rates.push(count as f64 / begin.elapsed().as_secs_f64());
    }
    Ok((median(&rates), percentile(&trips, 99)))
}

/// A program that says where it listens. It is killed when this is dropped.
struct Listening {
    child: Child,
    address: String,
    _home: Option<TempDir>,
}

impl Listening {
    fn stand_in() -> anyhow::Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).args(["app-server", "alone"]), None)
    }

    /// `valet run` in front of the stand-in, with a login that is never used.
    fn session(program: &Program, sim: &Sim) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let chatgpt_base_url = sim.chatgpt_base_url();
        point_at(home.path(), &sim.base_url(), &Credential::Lent { chatgpt_base_url: &chatgpt_base_url })?;
        let token = sim.tokens().issue(TokenRequest::account("acct-1"));
        let tokens = json!({
            "id_token": token.id_token, "access_token": token.access_token, "refresh_token": token.refresh_token,
            "account_id": token.account_id,
        });
        std::fs::write(home.path().join("auth.json"), json!({ "auth_mode": "chatgpt", "tokens": tokens }).to_string())?;
        let file = home.path().join("token");
        std::fs::write(&file, TOKEN)?;
        let mut command = program.bare(home.path());
        command
            .args(["run", "--no-client", "--ws-token-file"])
            .arg(&file)
            .arg("--codex-bin")
            .arg(std::env::current_exe()?);
        Self::start(&mut command, Some(home))
    }

    fn start(command: &mut Command, home: Option<TempDir>) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("a pipe")?).lines();
        let address = loop {
            let line = lines.next().context("it does not listen")??;
            if let Some((_before, address)) = line.split_once("ws://") {
                break address.trim().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, _home: home })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A websocket whose frames are counted.
struct Client {
    stream: BufReader<TcpStream>,
    frame: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        )?;
        let mut client = Self { stream: BufReader::with_capacity(256 << 10, stream), frame: Vec::new() };
        let mut line = String::new();
        client.stream.read_line(&mut line)?;
        ensure!(line.contains("101"), "{line}");
        while line != "\r\n" {
            line.clear();
            client.stream.read_line(&mut line)?;
        }
        Ok(client)
    }

    /// A frame with a mask of zeros, which changes nothing.
    fn write(&mut self, method: &str) -> anyhow::Result<()> {
        let client = json!({ "name": "bench", "version": "1" });
        let text = json!({ "id": method, "method": method, "params": { "clientInfo": client } }).to_string();
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("a short message")?;
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        Ok(self.stream.get_mut().write_all(&frame)?)
    }

    fn ask(&mut self, method: &str) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        self.write(method)?;
        self.read_until(b"\"result\"")?;
        Ok(begin.elapsed())
    }

    /// Reads until a message has this near its beginning; returns how many came.
    fn read_until(&mut self, wanted: &[u8]) -> anyhow::Result<usize> {
        let mut count = 0;
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let length = match head[1] {
                126 => {
                    let mut length = [0; 2];
                    self.stream.read_exact(&mut length)?;
                    u16::from_be_bytes(length).into()
                }
                127 => {
                    let mut length = [0; 8];
                    self.stream.read_exact(&mut length)?;
                    usize::try_from(u64::from_be_bytes(length))?
                }
                length => usize::from(length),
            };
            self.frame.resize(length, 0);
            self.stream.read_exact(&mut self.frame)?;
            ensure!(head[0] & 0x0f != 8, "the connection was closed");
            count += 1;
            let head = &self.frame[..length.min(64)];
            if head.windows(wanted.len()).any(|part| part == wanted) {
                return Ok(count);
            }
        }
    }
}
