//! What the index costs with 100,000 threads: the first list of all, a page, a search, memory.
//! Run by `cargo bench -p valet-store --bench index`. It fails when a mark is missed.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::DateTime;
use valet_store::generator::{Dice, Generator};
use valet_store::{Creator, Cursor, FileStore, Query, SortKey, StoreError, Summary, ThreadStore};

const THREADS: u32 = 100_000;
const MARK_LIST: Duration = Duration::from_millis(5);
const MARK_SEARCH: Duration = Duration::from_millis(50);
const REPEATS: usize = 200;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<ExitCode> {
    // Only `cargo bench` passes this. Test runners come here, too, and must not have to wait.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    println!("made by: cargo bench -p valet-store --bench index\n");
    let home = home()?;
    let mut table = Table { missed: 0 };
    println!("{:<52} {:<36} mark", "what", "measured");
    table.row("idle, resident", &resident());
    first(&home, &mut table)?;
    let store = FileStore::open(&home);
    opening(&home, &mut table)?;
    lists(&store, &mut table)?;
    searches(&store, &mut table)?;
    table.row("after all that, resident", &resident());
    Ok(if table.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn generator() -> Generator {
    let until = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
    Generator { threads: THREADS, seed: 1, until, days: 120 }
}

/// The home, which is made once.
fn home() -> Result<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{THREADS}-threads"));
    if !home.join("session_index.jsonl").exists() {
        let begin = Instant::now();
        fs::create_dir_all(&home)?;
        generator().write(&home)?;
        println!("{THREADS} threads were made in {}", ms(begin.elapsed()));
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.join(format!("valet-index.sqlite{suffix}")));
    }
    Ok(home)
}

fn page() -> Query {
    let sources = vec!["\"cli\"".to_owned(), "\"vscode\"".to_owned()];
    Query { limit: 25, sources, ..Query::default() }
}

fn first(home: &Path, table: &mut Table) -> Result<()> {
    let store = FileStore::open(home);
    let begin = Instant::now();
    let page = store.list(&page())?;
    assert_eq!(page.data.len(), 25);
    table.row("the first list of all, no index", &ms(begin.elapsed()));
    store.settle()?;
    table.row("until all words are known", &ms(begin.elapsed()));
    drop(store);
    let size = |suffix| fs::metadata(home.join(format!("valet-index.sqlite{suffix}"))).map_or(0, |data| data.len());
    table.row("the index on disk", &format!("{} MiB", (size("") + size("-wal")) >> 20));
    table.row("after the first sweep, resident", &resident());
    Ok(())
}

fn opening(home: &Path, table: &mut Table) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..20 {
        let store = FileStore::open(home);
        let begin = Instant::now();
        store.list(&page())?;
        times.push(begin.elapsed());
    }
    table.times("open and list", times, MARK_LIST);
    Ok(())
}

fn lists(store: &FileStore, table: &mut Table) -> Result<()> {
    let some =
        store.list(&Query { limit: 1, sources: vec!["\"vscode\"".to_owned()], ..Query::default() })?.data.remove(0);
    let creator = Creator { account_id: "account-3".to_owned(), user_id: Some("user-of-account-3".to_owned()) };
    let nobody = Creator { user_id: None, ..creator.clone() };
    let kinds: [(&str, Query); 6] = [
        ("list", page()),
        ("list of a creator", Query { creators: vec![creator], ..page() }),
        ("list of a nobody", Query { creators: vec![nobody], ..page() }),
        ("list of a folder", Query { cwds: vec![some.cwd.clone()], ..page() }),
        ("list of the archive", Query { archived: true, ..page() }),
        ("list of sub-agents", Query { sources: vec!["{\"subagent\"".to_owned()], ..page() }),
    ];
    for (name, query) in &kinds {
        for sort in [SortKey::CreatedAt, SortKey::UpdatedAt, SortKey::RecencyAt] {
            for ascending in [false, true] {
                let query = Query { sort, ascending, ..query.clone() };
                let direction = if ascending { "oldest" } else { "newest" };
                table.times(&format!("{name}, {sort:?}, {direction} first"), timed(|| store.list(&query))?, MARK_LIST);
            }
        }
    }
    let mut dice = Dice(7);
    let (first, last) = (ends(store, true)?, ends(store, false)?);
    let times = timed(|| {
        let span = (last.created_at_ms - first.created_at_ms).cast_unsigned();
        let time_ms = first.created_at_ms + dice.below(span).cast_signed();
        store.list(&Query { after: Some(Cursor { time_ms, id: None }), ..page() })
    })?;
    table.times("list, from the middle", times, MARK_LIST);
    Ok(())
}

fn ends(store: &FileStore, ascending: bool) -> Result<Summary> {
    Ok(store.list(&Query { ascending, ..page() })?.data.remove(0))
}

fn searches(store: &FileStore, table: &mut Table) -> Result<()> {
    let terms = [
        ("a common word", "error"),
        ("two common words", "fix file"),
        ("a word in another script", "日本語"),
        ("two letters", "er"),
        ("two letters that nobody said", "qz"),
        ("one letter", "e"),
        ("nothing", "nobody ever said this"),
        ("words that nobody said together", "removadi pasolo error"),
    ];
    for (name, term) in terms {
        table.times(&format!("search: {name}"), timed(|| store.search(term, &page()))?, MARK_SEARCH);
    }
    let mut times = timed(|| store.search("error error fix fix error fix fix fix", &page()))?;
    times.sort_unstable();
    table.row("search: the commonest words, as nobody said them", &ms(times[times.len() / 2]));
    let mut dice = Dice(3);
    let mut any = || generator().thread(u32::try_from(dice.below(THREADS.into())).unwrap_or_default()).word;
    let words: Vec<String> = (0..REPEATS).map(|_| any()).collect();
    let mut next = words.iter().cycle();
    let times = timed(|| store.search(next.next().map_or("", String::as_str), &page()))?;
    table.times("search: a word of one thread", times, MARK_SEARCH);
    let times = timed(|| store.list(&Query { text: next.next().cloned(), ..page() }))?;
    table.times("list: a word of one title", times, MARK_SEARCH);
    let after = Some(Cursor { time_ms: generator().until.timestamp_millis() - 90 * 86_400_000, id: None });
    let deep = Query { after, ..page() };
    table.times("search: a common word, from the middle", timed(|| store.search("error", &deep))?, MARK_SEARCH);
    Ok(())
}

fn timed<T>(mut run: impl FnMut() -> std::result::Result<T, StoreError>) -> Result<Vec<Duration>> {
    (0..REPEATS)
        .map(|_| {
            let begin = Instant::now();
            run()?;
            Ok(begin.elapsed())
        })
        .collect()
}

fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.map_or("unknown", |line| line.trim_start_matches("VmRSS:").trim()).to_owned()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

/// Prints rows as they come, and counts the marks that were missed.
struct Table {
    missed: usize,
}

impl Table {
    fn row(&self, what: &str, value: &str) {
        println!("{what:<52} {value:<36} -");
    }

    fn times(&mut self, what: &str, mut times: Vec<Duration>, mark: Duration) {
        times.sort_unstable();
        let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let held = median <= mark;
        self.missed += usize::from(!held);
        let value = format!("{} (99 %: {})", ms(median), ms(late));
        println!("{what:<52} {value:<36} {}{}", ms(mark), if held { "" } else { "  MISSED" });
    }
}
