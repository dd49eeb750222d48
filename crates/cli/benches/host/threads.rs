//! What stored threads cost Valet, and what they may: a home with very many of them, a thread with very many items, and
//! each that is loaded. With `VALET_LONG_TESTS=1` the home has 100,000 threads.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use valet_protocol::methods::{ThreadList, ThreadLoadedList, ThreadResume, ThreadSearch};
use valet_protocol::v2;
use valet_sim::{Response, Rule, Script, Sim, TokenPolicy};
use valet_store::FileStore;
use valet_store::generator::Generator;

use crate::backend::Backend;
use crate::pipes::Pipes;
use crate::program::{Credential, Host, Program, home, point_at};
use crate::statistics::median;
use crate::table::{Table, ms};
use crate::usage;

/// A start among many threads takes as long as one among none; so much may be noise.
const MARK_START: f64 = 1.3;
/// The same for memory, in MiB.
const MARK_MEMORY_MIB: f64 = 0.5;
const MARK_LIST: Duration = Duration::from_millis(5);
const MARK_SEARCH: Duration = Duration::from_millis(50);
/// A quiet machine takes 60 to 85 ms; the rest is for one that is not.
const MARK_RESUME: Duration = Duration::from_millis(150);
/// The host's share of a turn in a thread of very many items, in those of a fresh one.
const MARK_OVERHEAD: u32 = 2;
/// Both shares are the small differences of large times; so much may be noise.
const NOISE: Duration = Duration::from_millis(1);

const STARTS: usize = 20;
const REPEATS: usize = 100;
const RESUMES: usize = 11;
const TURNS: usize = 31;
const LOADED: usize = 200;
/// The long thread: so many turns of so many items.
const LONG_TURNS: usize = 50;
const ITEMS: usize = 200;

/// How many threads are in the home of very many.
pub(crate) fn crowd_size() -> u32 {
    if std::env::var_os("VALET_LONG_TESTS").is_some() { 100_000 } else { 5_000 }
}

/// Measures one thing after the other.
pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    crowd(crowd_size(), table).await?;
    let sim = Sim::start(script()).await?;
    let home = home(&sim.base_url())?;
    loaded(home.path(), table).await?;
    let begin = Instant::now();
    let thread = long_thread(home.path()).await?;
    table.row(&format!("{LONG_TURNS} turns of {ITEMS} items each"), &ms(begin.elapsed()));
    sim.shutdown().await;
    resume(home.path(), &thread, table)?;
    overhead(home.path(), &thread, table).await
}

/// A home of very many threads, which is made once. Any index in it is removed.
pub(crate) fn crowded_home(name: &str) -> anyhow::Result<PathBuf> {
    let count = crowd_size();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{count}-threads-{name}"));
    let until = chrono::DateTime::from_timestamp(1_795_000_000, 0).context("a time")?;
    if !home.join("session_index.jsonl").exists() {
        std::fs::create_dir_all(&home)?;
        Generator { threads: count, seed: 1, until, days: 120 }.write(&home)?;
    }
    point_at(&home, "http://127.0.0.1:9/v1", &Credential::Key)?;
    for entry in std::fs::read_dir(&home)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".sqlite")) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(home)
}

async fn crowd(count: u32, table: &mut Table) -> anyhow::Result<()> {
    let crowd = crowded_home("Valet")?;
    let begin = Instant::now();
    FileStore::open(&crowd).settle()?;
    table.row(&format!("the index of {count} threads is made in"), &ms(begin.elapsed()));
    let empty = home("http://127.0.0.1:9/v1")?;
    starts(empty.path(), &crowd, count, table).await?;
    let host = Host::start(&Program::valet(), &crowd).await?;
    let lists = [
        ("first page", v2::ThreadListParams::default()),
        ("first page, all providers", v2::ThreadListParams { model_providers: Some(Vec::new()), ..Default::default() }),
        (
            "first page, latest first",
            v2::ThreadListParams { sort_key: Some(v2::ThreadSortKey::UpdatedAt), ..Default::default() },
        ),
        (
            "a page from the middle",
            v2::ThreadListParams { cursor: Some("2026-09-20T00:00:00Z".to_owned()), ..Default::default() },
        ),
    ];
    let begin = Instant::now();
    host.client.request::<ThreadList>(v2::ThreadListParams::default()).await?;
    table.row("the first `thread/list` of a host", &ms(begin.elapsed()));
    for (name, params) in lists {
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            let begin = Instant::now();
            ensure!(!host.client.request::<ThreadList>(params.clone()).await?.data.is_empty());
            times.push(begin.elapsed());
        }
        table.times(&format!("`thread/list`, {name}"), &times, MARK_LIST);
    }
    let listed = resident(&host)?;
    let rare = |number: usize| format!("needle{:06}x", number * 37 % count as usize);
    let searches: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("a word of one thread", &rare),
        ("a word of many threads", &|_| "error".to_owned()),
        ("what nobody said", &|_| "nobody ever said this".to_owned()),
    ];
    for (name, term) in searches {
        let mut times = Vec::new();
        for number in 0..REPEATS {
            let params = v2::ThreadSearchParams { search_term: term(number), ..Default::default() };
            let begin = Instant::now();
            host.client.request::<ThreadSearch>(params).await?;
            times.push(begin.elapsed());
        }
        table.times(&format!("`thread/search`, {name}"), &times, MARK_SEARCH);
    }
    let searched = resident(&host)?;
    table.row("memory after lists, after searches, resident", &format!("{listed:.1} MiB, {searched:.1} MiB"));
    host.end().await
}

/// Starts among no threads and among very many, in turns.
async fn starts(empty: &Path, crowd: &Path, count: u32, table: &mut Table) -> anyhow::Result<()> {
    let (mut times, mut memory) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..=STARTS {
        for (which, home) in [empty, crowd].into_iter().enumerate() {
            let host = Host::start(&Program::valet(), home).await?;
            times[which].push(host.start);
            // When a second answer is here, everything that the first one set off is done.
            host.client.request::<ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await?;
            memory[which].push(resident(&host)?);
            host.end().await?;
        }
    }
    // The first ones read the binary from disk.
    let [none, many] = times.map(|times| median(&times[1..]));
    let ratio = many.as_secs_f64() / none.as_secs_f64();
    let value = format!("{} and {}, x {ratio:.2}", ms(none), ms(many));
    let what = format!("spawn to `initialize`, 0 and {count} threads");
    table.mark(&what, &value, &format!("x {MARK_START}"), ratio <= MARK_START);
    let [none, many] = memory.map(|memory| median(&memory));
    let what = format!("idle memory, 0 and {count} threads");
    let held = many - none <= MARK_MEMORY_MIB;
    table.mark(&what, &format!("{none:.1} MiB, {many:.1} MiB"), &format!("+ {MARK_MEMORY_MIB} MiB"), held);
    Ok(())
}

/// Every turn is answered at once; a long one holds as many items as it can.
fn script() -> Script {
    let words = |count| "some words about the matter ".repeat(count);
    let mut long = Response::new();
    for number in 0..(ITEMS - 12) / 2 {
        long = long.reasoning(words(8)).text(words(18));
        if number % 10 == 0 {
            long = long.function_call("exec_command", json!({ "cmd": "echo a line of output", "login": false }));
        }
    }
    let mut rule = Rule::when("a long turn");
    for _ in 0..LONG_TURNS {
        rule = rule.respond(long.clone()).respond("Done.");
    }
    Script::new()
        .tokens(TokenPolicy { anonymous: true, ..TokenPolicy::default() })
        .rule(rule)
        .rule(Rule::always().respond("Done."))
}

/// Threads that are loaded, and idle.
async fn loaded(home: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut host = Host::start(&Program::valet(), home).await?;
    let mut before = 0.0;
    for number in 0..LOADED + 20 {
        if number == 20 {
            before = resident(&host)?;
        }
        let thread = host.thread().await?;
        host.turn(&thread, "a question").await?;
    }
    let each = (resident(&host)? - before) * 1024.0 / LOADED as f64;
    table.row("memory of a loaded thread of one turn", &format!("{each:.0} KiB"));
    host.end().await
}

/// Makes the long thread in a home whose provider plays the script.
async fn long_thread(home: &Path) -> anyhow::Result<String> {
    let mut host = Host::start(&Program::valet(), home).await?;
    let thread = host.thread().await?;
    for _ in 0..LONG_TURNS {
        host.turn(&thread, "a long turn").await?;
    }
    host.end().await?;
    Ok(thread)
}

/// A home that Valet has made the long thread in, and its id.
pub(crate) async fn home_of_long_thread() -> anyhow::Result<(TempDir, String)> {
    let sim = Sim::start(script()).await?;
    let home = home(&sim.base_url())?;
    let thread = long_thread(home.path()).await?;
    sim.shutdown().await;
    Ok((home, thread))
}

/// Taking the long thread up, from the request until the last byte of the answer, each time in a new host.
fn resume(home: &Path, thread: &str, table: &mut Table) -> anyhow::Result<()> {
    for (name, exclude) in [("with all turns", false), ("without turns", true)] {
        let (mut times, mut size) = (Vec::new(), 0);
        for _ in 0..RESUMES {
            let mut pipes = Pipes::start(&Program::valet(), home)?;
            let params = json!({ "threadId": thread, "excludeTurns": exclude });
            let begin = Instant::now();
            let answer = pipes.ask("thread/resume", &params)?;
            times.push(begin.elapsed());
            size = answer.len();
            if !exclude {
                let answer: Value = serde_json::from_str(&answer)?;
                let turns = answer["result"]["thread"]["turns"].as_array().context("turns")?;
                let items: usize = turns.iter().filter_map(|turn| Some(turn["items"].as_array()?.len())).sum();
                ensure!(items == LONG_TURNS * ITEMS, "{items} items");
            }
        }
        let what = format!("`thread/resume` of {} items, {name}", LONG_TURNS * ITEMS);
        table.times(&format!("{what}, {} KiB", size >> 10), &times, MARK_RESUME);
    }
    Ok(())
}

/// The host's share of a turn: from `turn/start` until the request is with the backend, without the time that such
/// a request takes whoever sends it, and from the end of the answer to `turn/completed`.
async fn overhead(home: &Path, thread: &str, table: &mut Table) -> anyhow::Result<()> {
    let backend = Backend::start()?;
    point_at(home, &backend.base_url, &Credential::Key)?;
    let mut host = Host::start(&Program::valet(), home).await?;
    let fresh = host.thread().await?;
    let resume = v2::ThreadResumeParams {
        thread_id: thread.to_owned(),
        exclude_turns: true,
        ..v2::ThreadResumeParams::default()
    };
    host.client.request::<ThreadResume>(resume).await?;
    let mut shares = Vec::new();
    for (name, thread) in [("fresh thread", fresh.as_str()), ("long thread", thread)] {
        let (mut whole, mut made, mut ways) = (Vec::new(), Vec::new(), Vec::new());
        let (mut items, mut size) = (Vec::new(), 0);
        for _ in 0..TURNS {
            let begin = Instant::now();
            host.turn(thread, "again").await?;
            let end = Instant::now();
            let seen = backend.seen()?;
            size = seen.body.len();
            whole.push((seen.received - begin) + (end - seen.answered));
            // The items of the last request: like the host's, they lay there while other things were done.
            let (making, way) = backend.way(&items).await?;
            if !items.is_empty() {
                made.push(making);
                ways.push(way);
            }
            items = seen.items();
        }
        // The first turn makes the HTTP client, and waits for the history. Of the others, those count that were
        // disturbed least: what is looked for is small beside what else goes on here.
        let first = whole.remove(0);
        let [whole, made, way] = [whole, made, ways].map(|times| times.into_iter().min().unwrap_or_default());
        let share = whole.saturating_sub(made + way);
        let value = format!("{} ({} - {} - {}; first {})", ms(share), ms(whole), ms(made), ms(way), ms(first));
        table.row(&format!("share of a turn, {name}, {} KiB", size >> 10), &value);
        shares.push(share);
    }
    let ratio = shares[1].as_secs_f64() / shares[0].as_secs_f64();
    let held = shares[1] <= shares[0] * MARK_OVERHEAD + NOISE;
    let mark = format!("x {MARK_OVERHEAD}, + {}", ms(NOISE));
    table.mark("the long thread's, in those of the fresh one", &format!("x {ratio:.2}"), &mark, held);
    host.end().await
}

/// In MiB.
fn resident(host: &Host) -> anyhow::Result<f64> {
    Ok(usage::resident(host.id()?)? / 1024.0)
}
