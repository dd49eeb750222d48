//! Whatever is done in whatever order, the index says what the files say.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use valet_store::generator::{Dice, Generator};
use valet_store::{Cursor, FileStore, Fold, Query, SortKey, Summary, ThreadStore};

use super::home::*;

/// All logs below a folder.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { logs(&path) } else { vec![path] }).collect()
}

/// What the files say, without the index.
fn truth(home: &Path, archived: bool) -> Vec<Summary> {
    let names = fs::read_to_string(home.join("session_index.jsonl")).unwrap_or_default();
    let names: HashMap<String, String> = names
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|name| (name["id"].as_str().unwrap().to_owned(), name["thread_name"].as_str().unwrap().to_owned()))
        .collect();
    let mut threads = Vec::new();
    for path in logs(&home.join(if archived { "archived_sessions" } else { "sessions" })) {
        let mut fold = Fold::default();
        for line in fs::read_to_string(&path).unwrap().lines() {
            fold.line(line);
        }
        let mut thread = fold.summary().unwrap().clone();
        thread.path = Some(path.to_str().unwrap().to_owned());
        thread.archived = archived;
        thread.name = names.get(&thread.id).cloned();
        threads.push(thread);
    }
    threads.retain(|thread| !thread.preview.is_empty());
    threads.sort_by(|a, b| (b.created_at_ms, &b.id).cmp(&(a.created_at_ms, &a.id)));
    threads
}

fn check(home: &Home, store: &FileStore) {
    for archived in [false, true] {
        let listed = store.list(&Query { archived, ..all() }).unwrap().data;
        assert_eq!(listed, truth(home.path(), archived));
    }
}

#[test]
fn the_index_agrees_with_the_files_after_anything() {
    for seed in 0..4 {
        let home = Home::new();
        let mut stores = [home.store(), home.store()];
        let mut dice = Dice(seed);
        let mut ids: Vec<String> = Vec::new();
        for _ in 0..60 {
            let at = usize::from(dice.one_in(2));
            if dice.one_in(10) {
                stores[at] = home.store();
            }
            let store = &stores[at];
            let any = ids.get(usize::try_from(dice.below(ids.len().max(1) as u64)).unwrap()).cloned();
            match (dice.below(8), any) {
                (0 | 1, _) => ids.push(own(store, "hello")),
                (2, _) => ids.push(home.foreign(&format!("2999/01/0{}", 1 + dice.below(2)), &["hello"]).0),
                (3, Some(id)) => drop(store.set_name(&id, &format!("name {}", dice.below(9)))),
                (4, Some(id)) => drop(store.set_archived(&id, dice.one_in(2))),
                (5, Some(id)) if dice.one_in(2) => store.delete(&id).unwrap_or_default(),
                (_, Some(id)) => {
                    if let Ok(mut log) = store.lease(&id) {
                        let end = log.lines().end().unwrap();
                        log.append(&[line("more"), line("and more")]).unwrap();
                        if dice.one_in(3) {
                            check(&home, &stores[1 - at]);
                            log.truncate(end).unwrap();
                            log.append(&[line("something else, which is longer")]).unwrap();
                        }
                    }
                }
                (_, None) => {}
            }
            check(&home, &stores[usize::from(dice.one_in(2))]);
        }
    }
}

#[test]
fn many_threads_are_listed_by_pages_and_found_by_their_words() {
    let home = Home::new();
    let until = chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    let generator = Generator { threads: 700, seed: 5, until, days: 30 };
    generator.write(home.path()).unwrap();
    let store = home.store();
    check_pages(&home, &store);
    let find = |number: u32| {
        let thread = generator.thread(number);
        let query = Query { archived: thread.archived, ..all() };
        let found = store.search(&thread.word, &query).unwrap().data;
        assert_eq!(found.iter().map(|found| &found.thread.id).collect::<Vec<_>>(), [&thread.id]);
        assert!(found[0].snippet.contains(&thread.word));
        let titled = store.list(&Query { text: Some(thread.word), ..query }).unwrap().data;
        assert_eq!(titled.len(), 1);
    };
    // The oldest: nothing is found on the way to them. Then by reading, and by letters.
    (0..5).for_each(find);
    store.settle().unwrap();
    (0..700).step_by(70).for_each(find);
    let (mut query, mut walked) = (Query { limit: 100, ..Query::default() }, Vec::new());
    loop {
        let page = store.search("error", &query).unwrap();
        walked.extend(page.data.into_iter().map(|found| found.thread));
        if !page.more {
            break;
        }
        query.after = walked.last().map(|last| Cursor::after(last, SortKey::CreatedAt));
    }
    let whole = store.search("error", &Query { limit: 2000, ..Query::default() }).unwrap().data;
    assert_eq!(
        walked.iter().map(|t| &t.id).collect::<Vec<_>>(),
        whole.iter().map(|f| &f.thread.id).collect::<Vec<_>>()
    );
    assert!(walked.len() > 400);
}

fn check_pages(home: &Home, store: &FileStore) {
    let truth = truth(home.path(), false);
    let cwds: Vec<String> = ["/home/somebody/project3", "/home/somebody/project17"].map(str::to_owned).to_vec();
    let mut creators: Vec<_> = truth.iter().filter_map(|thread| thread.creator.clone()).collect();
    creators.dedup();
    creators.truncate(2);
    let sources = vec!["\"cli\"".to_owned(), "{\"subagent\"".to_owned()];
    let few = truth.iter().step_by(7).map(|thread| thread.id.clone()).collect();
    let queries = [
        Query::default(),
        Query { only: Some(Vec::new()), ..Query::default() },
        Query { only: Some(few), providers: vec!["openai".to_owned()], ..Query::default() },
        Query { cwds: cwds.clone(), ..Query::default() },
        Query { creators: creators[..1].to_vec(), ..Query::default() },
        Query { creators: creators.clone(), ..Query::default() },
        Query { creators, cwds, sources: sources.clone(), ..Query::default() },
        Query { sources, providers: vec!["local".to_owned()], ..Query::default() },
    ];
    for query in queries {
        for (sort, ascending) in [(SortKey::CreatedAt, false), (SortKey::UpdatedAt, true), (SortKey::RecencyAt, false)]
        {
            let mut expected: Vec<&Summary> = truth.iter().filter(|thread| admits(&query, thread)).collect();
            expected.sort_by_key(|thread| (sort.of(thread), thread.id.clone()));
            if !ascending {
                expected.reverse();
            }
            let mut query = Query { sort, ascending, limit: 37, ..query.clone() };
            let mut walked = Vec::new();
            loop {
                let page = store.list(&query).unwrap();
                walked.extend(page.data);
                if !page.more {
                    break;
                }
                query.after = walked.last().map(|last| Cursor::after(last, sort));
            }
            assert_eq!(walked.iter().collect::<Vec<_>>(), expected);
        }
    }
}

/// What a query says, in plain words.
fn admits(query: &Query, thread: &Summary) -> bool {
    let one_of = |wanted: &[String], is: &dyn Fn(&String) -> bool| wanted.is_empty() || wanted.iter().any(is);
    one_of(&query.cwds, &|cwd| *cwd == thread.cwd)
        && one_of(&query.providers, &|provider| *provider == thread.model_provider)
        && one_of(&query.sources, &|source| thread.source.starts_with(source))
        && query.only.as_ref().is_none_or(|only| only.contains(&thread.id))
        && (query.creators.is_empty() || thread.creator.as_ref().is_some_and(|one| query.creators.contains(one)))
}
