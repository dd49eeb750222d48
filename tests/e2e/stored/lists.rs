//! Finding stored threads again: lists, filters, pages, and searches.

use std::path::PathBuf;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{Bench, MISSING, ids, str_of, words};

/// A thread as another program left it.
struct Left {
    number: u32,
    /// Its second of that minute, and the milliseconds.
    at: (u32, u32),
    meta: Value,
    said: &'static str,
}

impl Left {
    fn new(number: u32, at: (u32, u32), meta: Value, said: &'static str) -> Self {
        Self { number, at, meta, said }
    }

    fn id(&self) -> String {
        id(self.number)
    }

    /// Puts it into a home.
    fn put(&self, home: &std::path::Path) -> PathBuf {
        let (second, millisecond) = self.at;
        let time = format!("2026-11-18T10:00:{second:02}.{millisecond:03}Z");
        let id = self.id();
        let mut meta = json!({ "id": id, "timestamp": time, "cwd": "/p", "originator": "x", "cli_version": "0.169.0",
            "model_provider": "sim", "source": "vscode", "history_mode": "paginated" });
        meta.as_object_mut().unwrap().extend(self.meta.as_object().unwrap().clone());
        let content = json!([{ "type": "text", "text": self.said, "text_elements": [] }]);
        let item = json!({ "type": "UserMessage", "id": format!("item of {id}"), "content": content });
        let model_item = json!({ "type": "message", "role": "user",
            "content": [{ "type": "input_text", "text": self.said }] });
        let event = |payload: Value| ("event_msg", payload);
        let lines = [
            ("session_meta", meta),
            event(json!({ "type": "task_started", "turn_id": "t", "started_at": 1_795_000_000 })),
            ("response_item", model_item),
            event(json!({ "type": "item_completed", "thread_id": id, "turn_id": "t", "item": item })),
            event(json!({ "type": "task_complete", "turn_id": "t", "started_at": 1_795_000_000 })),
        ];
        let lines = lines.into_iter().enumerate().map(|(ordinal, (kind, payload))| {
            json!({ "timestamp": time, "ordinal": ordinal, "type": kind, "payload": payload }).to_string() + "\n"
        });
        let folder = home.join("sessions/2026/11/18");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("rollout-2026-11-18T10-00-{second:02}-{id}.jsonl"));
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        path
    }
}

fn id(number: u32) -> String {
    format!("01a1ff31-0000-7000-8000-{number:012}")
}

/// A host in whose home other programs left threads.
async fn found(left: &[Left]) -> Bench {
    let bench = Bench::start(words()).await;
    left.iter().for_each(|thread| {
        thread.put(bench.host.home());
    });
    bench
}

/// Some with the same time, some in the same second.
fn crowd() -> Vec<Left> {
    (0..23).map(|number| Left::new(number, (number / 7, 250 * (number % 3)), json!({}), "hello")).collect()
}

#[tokio::test]
async fn pages_add_up_to_the_whole_list_in_either_direction() {
    let mut bench = found(&crowd()).await;
    for sort in ["created_at", "updated_at", "recency_at"] {
        let descending = bench.listed(json!({ "sortKey": sort, "limit": 100 })).await;
        assert_eq!(descending.len(), 23);
        for direction in ["desc", "asc"] {
            let (mut listed, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let params = json!({ "sortKey": sort, "sortDirection": direction, "limit": 4, "cursor": cursor });
                let page = bench.call("thread/list", params).await;
                let first = ids(&page)[0].clone();
                // What came before the page begins with the first of the page, or others of its time.
                let opposite = if direction == "desc" { "asc" } else { "desc" };
                let back = json!({ "sortKey": sort, "sortDirection": opposite, "limit": 30,
                    "cursor": page["backwardsCursor"] });
                let back = bench.listed(back).await;
                assert!(back.contains(&first), "{sort} {direction}: no gap before {first}");
                let missing: Vec<_> = listed.iter().filter(|id| !back.contains(id)).collect();
                assert_eq!(missing, Vec::<&String>::new(), "{sort} {direction}");
                listed.extend(ids(&page));
                cursor = page["nextCursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            if direction == "asc" {
                listed.reverse();
            }
            assert_eq!(listed, descending, "{sort} {direction}");
        }
    }
    let created: Vec<String> = {
        let mut order = crowd();
        order.sort_by_key(|thread| std::cmp::Reverse((thread.at, thread.number)));
        order.iter().map(Left::id).collect()
    };
    assert_eq!(bench.listed(json!({ "limit": 100 })).await, created, "the newest first, then the larger id");
}

#[tokio::test]
async fn a_page_has_as_many_threads_as_are_asked_for_within_bounds() {
    let left: Vec<Left> = (0..130).map(|number| Left::new(number, (number % 60, 0), json!({}), "hello")).collect();
    let mut bench = found(&left).await;
    for (limit, count) in [(Value::Null, 25), (json!(0), 1), (json!(1), 1), (json!(101), 100), (json!(30), 30)] {
        assert_eq!(bench.listed(json!({ "limit": limit })).await.len(), count, "{limit}");
    }
    let many: Vec<String> = (0..101).map(id).collect();
    let (_, message) = bench.refused("thread/list", json!({ "excludedThreadIds": many })).await;
    assert_eq!(message, "excludedThreadIds accepts at most 100 entries");
    let without = bench.listed(json!({ "excludedThreadIds": many[..100], "limit": 100 })).await;
    assert_eq!(without.len(), 30, "they are taken out before the page is cut");
}

#[tokio::test]
async fn what_is_listed_is_narrowed_by_provider_source_folder_and_words() {
    let mut bench = found(&[
        Left::new(1, (1, 0), json!({ "source": "cli" }), "apples"),
        Left::new(2, (2, 0), json!({ "source": "exec" }), "pears"),
        Left::new(3, (3, 0), json!({ "source": "mcp", "cwd": "/q" }), "more apples"),
        Left::new(4, (4, 0), json!({ "source": { "subagent": "review" } }), "plums"),
        Left::new(5, (5, 0), json!({ "model_provider": "other" }), "100% apples"),
        Left::new(6, (6, 0), json!({ "cwd": "/q" }), "cherries"),
        Left::new(7, (7, 0), json!({}), ""),
    ])
    .await;
    let some = |numbers: &[u32]| numbers.iter().map(|number| id(*number)).collect::<Vec<_>>();
    let cases = [
        (json!({}), some(&[6, 1])),
        (json!({ "modelProviders": [] }), some(&[6, 5, 1])),
        (json!({ "modelProviders": ["other"] }), some(&[5])),
        (json!({ "sourceKinds": [] }), some(&[6, 1])),
        (json!({ "sourceKinds": ["exec", "appServer"] }), some(&[3, 2])),
        (json!({ "sourceKinds": ["subAgent"] }), some(&[4])),
        (json!({ "sourceKinds": ["subAgentReview"] }), some(&[4])),
        (json!({ "sourceKinds": ["subAgentCompact"] }), some(&[])),
        (json!({ "cwd": "/q" }), some(&[6])),
        (json!({ "cwd": "/q/" }), some(&[6])),
        (json!({ "cwd": ["/q", "/p"] }), some(&[6, 1])),
        (json!({ "cwd": [] }), some(&[])),
        (json!({ "cwd": "/" }), some(&[])),
        (json!({ "searchTerm": "pples", "modelProviders": [] }), some(&[5, 1])),
        (json!({ "searchTerm": "%", "modelProviders": [] }), some(&[5])),
        (json!({ "searchTerm": "" }), some(&[6, 1])),
        (json!({ "searchTerm": "nothing like it" }), some(&[])),
        (json!({ "excludedThreadIds": [id(6)] }), some(&[1])),
        (json!({ "archived": true }), some(&[])),
        (json!({ "sectionId": "s" }), some(&[])),
        (json!({ "projectId": null, "sectionId": null }), some(&[6, 1])),
        (json!({ "parentThreadId": MISSING }), some(&[])),
        (json!({ "ancestorThreadId": MISSING }), some(&[])),
    ];
    for (params, expected) in cases {
        assert_eq!(bench.listed(params.clone()).await, expected, "{params}");
    }
    bench.call("thread/name/set", json!({ "threadId": id(6), "name": "Kirschen" })).await;
    assert_eq!(bench.listed(json!({ "searchTerm": "irschen" })).await, some(&[6]));
    assert_eq!(bench.listed(json!({ "searchTerm": "cherr" })).await, some(&[6]), "by its first words still");
}

#[tokio::test]
async fn lists_that_make_no_sense_are_refused() {
    let mut bench = Bench::start(words()).await;
    let cases = [
        (json!({ "cursor": "zzz" }), "invalid cursor: zzz"),
        (json!({ "cursor": "" }), "invalid cursor: "),
        (json!({ "originators": ["x"] }), "originator filtering is not supported by the local app-server"),
        (json!({ "sortKey": "section_position" }), "section-position sorting requires a section filter"),
        (json!({ "excludedThreadIds": ["nope"] }), "invalid excluded thread id: "),
        (json!({ "limit": -1 }), "Invalid request: invalid value: integer `-1`, expected u32"),
        (json!({ "sortKey": "nope" }), "Invalid request: unknown variant `nope`, expected one of `created_at`, "),
        (json!({ "sortDirection": "up" }), "Invalid request: unknown variant `up`, expected `asc` or `desc`"),
        (json!({ "parentThreadId": "nope" }), "invalid parent thread id: "),
    ];
    for (params, words) in cases {
        let (code, message) = bench.refused("thread/list", params).await;
        assert!(code == -32600 && message.starts_with(words), "{message}");
    }
    for cursor in [format!("2026-11-18T10:00:00Z|{MISSING}"), "2026-11-18T10:00:00.5Z".to_owned()] {
        assert_eq!(bench.listed(json!({ "cursor": cursor })).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_row_shows_what_is_known_and_what_is_unread() {
    let mut bench = Bench::start(words()).await;
    let silent = bench.parent.thread().await;
    let thread = bench.talk(&["  hello\nthere ", "again"]).await;
    let page = bench.call("thread/list", json!({})).await;
    assert_eq!(ids(&page), [thread.as_str()], "not {silent}: nobody said anything in it");
    let row = &page["data"][0];
    assert_eq!((str_of(row, "preview"), &row["turns"]), ("hello\nthere", &json!([])));
    assert_eq!(row["status"], json!({ "type": "idle" }));
    assert!(row["environments"].is_array());
    let turns = bench.turns(&thread).await;
    let unread = &page["readStates"][&thread]["firstUnread"];
    assert_eq!(*unread, json!({ "type": "turn", "turnId": turns[0]["id"] }));
    let states = page["readStates"].clone();
    let mut bench = bench.restarted().await;
    let page = bench.call("thread/list", json!({})).await;
    let row = &page["data"][0];
    assert_eq!((&row["status"], &row["environments"]), (&json!({ "type": "notLoaded" }), &Value::Null));
    assert_eq!((str_of(row, "model"), str_of(row, "modelProvider")), ("gpt-5.5", "sim"));
    assert_eq!(page["readStates"], states, "what is unread stays unread");
    let found = Left::new(1, (1, 0), json!({}), "from elsewhere");
    found.put(bench.host.home());
    let page = bench.call("thread/list", json!({})).await;
    let state = json!({ "firstUnread": null, "revision": format!("initial:{}", found.id()) });
    assert_eq!(page["readStates"][found.id()], state, "what another program left is found at once");
}

#[tokio::test]
async fn a_search_finds_what_was_said_and_nothing_else() {
    let mut bench = found(&[
        Left::new(1, (1, 0), json!({}), "Where do the wild\n\n  GEESE fly?"),
        Left::new(2, (2, 0), json!({}), "no bird"),
    ])
    .await;
    let thread = bench.talk(&["a goose", "two geese"]).await;
    bench.call("thread/name/set", json!({ "threadId": thread, "name": "Poultry" })).await;
    let mut search = async |term: &str, more: Value| {
        let mut params = json!({ "searchTerm": term });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bench.call("thread/search", params).await
    };
    let both = search("geese", json!({})).await;
    assert_eq!(ids(&both), [thread.clone(), id(1)]);
    assert_eq!(both["data"][0]["snippet"], "two geese");
    assert_eq!(both["data"][1]["snippet"], "Where do the wild GEESE fly?");
    assert_eq!(both["data"][1]["thread"]["status"], json!({ "type": "notLoaded" }));
    assert_eq!(ids(&search("a word", json!({})).await), [thread.as_str()], "the model's answers, too");
    assert_eq!(ids(&search("poultry", json!({})).await), Vec::<String>::new(), "not names");
    let first = search("e", json!({ "limit": 1, "sortDirection": "asc" })).await;
    assert_eq!(ids(&first), [id(1)]);
    let rest = search("e", json!({ "sortDirection": "asc", "cursor": first["nextCursor"] })).await;
    assert_eq!((ids(&rest), &rest["nextCursor"]), (vec![thread.clone()], &Value::Null));
    for term in ["", "  "] {
        let (_, message) = bench.refused("thread/search", json!({ "searchTerm": term })).await;
        assert_eq!(message, "thread/search requires a non-empty searchTerm");
    }
    bench.call("thread/archive", json!({ "threadId": thread })).await;
    let archived = bench.call("thread/search", json!({ "searchTerm": "geese", "archived": true })).await;
    assert_eq!(ids(&archived), [thread]);
}

#[tokio::test]
async fn loaded_threads_are_listed_with_those_that_are_not_stored() {
    let mut bench = Bench::start(words()).await;
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    let mut threads = vec![str_of(&ephemeral["thread"], "id").to_owned(), bench.talk(&["hello"]).await];
    threads.sort();
    let loaded = bench.call("thread/loaded/list", json!({})).await;
    assert_eq!(loaded, json!({ "data": threads, "nextCursor": null }));
    let first = bench.call("thread/loaded/list", json!({ "limit": 0 })).await;
    assert_eq!(first, json!({ "data": threads[..1], "nextCursor": threads[0] }));
    let (code, message) = bench.refused("thread/loaded/list", json!({ "cursor": "zzz" })).await;
    assert_eq!((code, message.as_str()), (-32600, "invalid cursor: zzz"));
    let mut bench = bench.restarted().await;
    assert_eq!(bench.call("thread/loaded/list", json!({})).await["data"], json!([]));
}

#[tokio::test]
async fn a_row_of_a_loaded_thread_shows_what_a_read_shows() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    bench.call("thread/name/set", json!({ "threadId": thread, "name": "A name" })).await;
    let git = json!({ "sha": "abc", "branch": "main" });
    bench.call("thread/metadata/update", json!({ "threadId": thread, "gitInfo": git })).await;
    let settings = json!({ "threadId": thread, "model": "gpt-6-sol", "effort": "high", "cwd": "/" });
    bench.call("thread/settings/update", settings).await;
    for again in [false, true] {
        if again {
            bench = bench.restarted().await;
            bench.resume(&thread).await;
        }
        let mut row = bench.call("thread/list", json!({})).await["data"][0].clone();
        let mut read = bench.call("thread/read", json!({ "threadId": thread })).await["thread"].clone();
        for thread in [&mut row, &mut read] {
            // Rows do not say it. Of times, one is that of a line, and one that of an event.
            thread["canAcceptDirectInput"] = Value::Null;
            thread["updatedAt"] = json!(thread["updatedAt"].as_i64().unwrap() / 4);
            thread["recencyAt"] = json!(thread["recencyAt"].as_i64().unwrap() / 4);
        }
        assert_eq!(row, read);
    }
}
