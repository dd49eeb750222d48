//! Rules for finding threads again.

use serde_json::{Value, json};

use super::{agent, event, listed, note, query, thread, user};
use crate::line::NewLine;
use crate::query::{Creator, Cursor, Query, SortKey};
use crate::store::ThreadStore;
use crate::summary::Summary;

/// A summary follows from the lines.
pub fn a_summary_tells_what_was_said(store: &impl ThreadStore) {
    let more = json!({
        "thread_source": "user", "forked_from_id": "other", "creator_account_id": "account", "creator_user_id": "person",
        "git": {"commit_hash": "abc", "branch": "main", "repository_url": "there"},
    });
    let id = thread(
        store,
        &more,
        &[
            event("task_started", &json!({"turn_id": "t"})),
            NewLine::new("turn_context", &json!({"cwd": "/other", "model": "m", "effort": "low"})).unwrap(),
            user("  Grüße\nan alle"),
            agent("Hallo"),
            user("Noch etwas"),
        ],
    );
    let found = store.find(&id).unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.session_id.as_str(), found.preview.as_str()), (&*id, &*id, "Grüße\nan alle"));
    assert_eq!(
        (found.cwd.as_str(), found.source.as_str(), found.model_provider.as_str()),
        ("/other", r#""cli""#, "local")
    );
    assert_eq!((found.model.as_deref(), found.reasoning_effort.as_deref()), (Some("m"), Some("low")));
    assert_eq!((found.originator.as_deref(), found.thread_source.as_deref()), (Some("client"), Some("user")));
    assert_eq!((found.cli_version.as_str(), found.history_mode.as_str()), ("1.0.0", "paginated"));
    assert_eq!(found.forked_from_id.as_deref(), Some("other"));
    let git = found.git.clone().unwrap();
    assert_eq!(
        (git.sha.as_deref(), git.branch.as_deref(), git.origin_url.as_deref()),
        (Some("abc"), Some("main"), Some("there"))
    );
    assert_eq!(found.creator, Some(creator("account", Some("person"))));
    assert_eq!(found.created_at_ms, 1_767_323_045_678);
    assert!(found.created_at_ms < found.recency_at_ms && found.recency_at_ms <= found.updated_at_ms);
    assert!(!found.archived && found.name.is_none() && found.read_state.is_none());
    assert_eq!(store.list(&query()).unwrap().data, vec![found.clone()]);
    store.lease(&id).unwrap().append(&[event("task_started", &json!({"turn_id": "u"}))]).unwrap();
    let later = store.find(&id).unwrap().unwrap();
    assert!(later.updated_at_ms >= found.updated_at_ms && later.recency_at_ms == later.updated_at_ms);
    assert_eq!(store.list(&query()).unwrap().data, [later]);
}

/// A thread is listed from the first message of a person on.
pub fn threads_in_which_nobody_spoke_are_not_listed(store: &impl ThreadStore) {
    let silent = thread(store, &Value::Null, &[note("a"), agent("Anybody there?")]);
    assert!(store.find(&silent).unwrap().is_some());
    assert!(listed(store, &query()).is_empty() && store.search("anybody", &query()).unwrap().data.is_empty());
    store.lease(&silent).unwrap().append(&[user("Yes")]).unwrap();
    assert_eq!(listed(store, &query()), [silent]);
}

/// Threads of which several are equally old.
fn crowd(store: &impl ThreadStore) {
    for number in 0..17 {
        let time = format!("2026-01-02T03:04:{:02}.000Z", number / 4);
        let started = event("task_started", &json!({"turn_id": "t"}));
        thread(store, &json!({"timestamp": time}), &[user("Hello"), started]);
    }
}

/// Going from cursor to cursor passes every thread once, in the order of the whole list.
pub fn pages_have_no_gap_and_nothing_twice(store: &impl ThreadStore) {
    crowd(store);
    for (sort, ascending) in orders() {
        let whole = store.list(&Query { sort, ascending, ..query() }).unwrap();
        assert!(whole.data.len() == 17 && !whole.more);
        for limit in [1, 2, 5, 16, 17] {
            let mut asked = Query { sort, ascending, limit, ..Query::default() };
            let mut walked = Vec::new();
            loop {
                let page = store.list(&asked).unwrap();
                assert_eq!(page.data.len(), limit.min(17 - walked.len()));
                walked.extend(page.data);
                assert_eq!(page.more, walked.len() < 17);
                if !page.more {
                    break;
                }
                asked.after = walked.last().map(|last| Cursor::after(last, sort));
            }
            assert_eq!(walked, whole.data);
        }
        let between = whole.data[7].clone();
        let after = Some(Cursor { time_ms: sort.of(&between), id: None });
        let behind = store.list(&Query { sort, ascending, after, ..query() }).unwrap().data;
        let is_behind = |thread: &&Summary| match ascending {
            true => sort.of(thread) > sort.of(&between),
            false => sort.of(thread) <= sort.of(&between),
        };
        assert_eq!(behind, whole.data.iter().filter(is_behind).cloned().collect::<Vec<_>>());
    }
}

/// By time, and by id where the times are equal.
pub fn lists_are_sorted_by_each_key(store: &impl ThreadStore) {
    crowd(store);
    let first = listed(store, &Query { ascending: true, ..query() }).swap_remove(0);
    store.lease(&first).unwrap().append(&[event("task_started", &json!({"turn_id": "u"}))]).unwrap();
    for (sort, ascending) in orders() {
        let mut threads = store.list(&Query { sort, ascending, ..query() }).unwrap().data;
        if !ascending {
            threads.reverse();
        }
        let key = |thread: &Summary| (sort.of(thread), thread.id.clone());
        assert!(threads.is_sorted_by(|a, b| key(a) < key(b)), "{sort:?}");
        let newest = threads.iter().map(|thread| sort.of(thread)).max();
        let moved = threads.iter().find(|thread| thread.id == first).map(|thread| sort.of(thread));
        assert_eq!(moved == newest, sort != SortKey::CreatedAt, "{sort:?}");
    }
}

fn orders() -> impl Iterator<Item = (SortKey, bool)> {
    [SortKey::CreatedAt, SortKey::UpdatedAt, SortKey::RecencyAt]
        .into_iter()
        .flat_map(|sort| [(sort, false), (sort, true)])
}

/// Each filter, and all together.
pub fn lists_hold_what_is_asked_for(store: &impl ThreadStore) {
    let plain = thread(store, &Value::Null, &[user("Fix the Ärger")]);
    let provider = thread(store, &json!({"model_provider": "far"}), &[user("Something")]);
    let review = thread(store, &json!({"source": {"subagent": "review"}}), &[user("Something")]);
    let cwd = thread(store, &json!({"cwd": "/elsewhere"}), &[user("Something")]);
    store.set_name(&cwd, "100% Übung_1").unwrap();
    let everything = Query { ascending: true, ..query() };
    let check = |change: &dyn Fn(&mut Query), expected: &[&String]| {
        let mut query = everything.clone();
        change(&mut query);
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        expected.sort();
        assert_eq!(listed(store, &query), expected, "{query:?}");
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    check(&|_| {}, &[&plain, &provider, &review, &cwd]);
    check(&|query| query.providers = words(&["far", "none"]), &[&provider]);
    check(&|query| query.sources = words(&[r#""cli""#]), &[&plain, &provider, &cwd]);
    check(&|query| query.sources = words(&[r#""vscode""#, r#"{"subagent""#]), &[&review]);
    check(&|query| query.cwds = words(&["/elsewhere", "/"]), &[&cwd]);
    check(&|query| query.without = words(&[&plain, &cwd]), &[&provider, &review]);
    check(&|query| query.archived = true, &[]);
    check(&|query| query.text = Some("äRGER".to_owned()), &[&plain]);
    check(&|query| query.text = Some("0% übung_".to_owned()), &[&cwd]);
    check(&|query| query.text = Some("0_ü".to_owned()), &[]);
    check(&|query| query.limit = 0, &[]);
    check(
        &|query| {
            query.text = Some("some".to_owned());
            query.sources = words(&[r#""cli""#]);
            query.cwds = words(&["/work"]);
        },
        &[&provider],
    );
}

fn creator(account: &str, user: Option<&str>) -> Creator {
    Creator { account_id: account.to_owned(), user_id: user.map(str::to_owned) }
}

/// One sees one's own threads: those of the same account and the same user.
pub fn others_threads_are_hidden(store: &impl ThreadStore) {
    let nobodys = thread(store, &Value::Null, &[user("secret")]);
    let account = thread(store, &json!({"creator_account_id": "a"}), &[user("secret")]);
    let mine = thread(store, &json!({"creator_account_id": "a", "creator_user_id": "me"}), &[user("secret")]);
    let yours = thread(store, &json!({"creator_account_id": "a", "creator_user_id": "you"}), &[user("secret")]);
    let seen = |creators: &[Creator]| {
        let query = Query { creators: creators.to_vec(), ascending: true, ..query() };
        let found = store.search("secret", &query).unwrap().data;
        let listed = listed(store, &query);
        assert_eq!(found.into_iter().map(|found| found.thread.id).collect::<Vec<_>>(), listed);
        listed
    };
    assert_eq!(seen(&[creator("a", Some("me"))]), [mine.as_str()]);
    assert_eq!(seen(&[creator("a", None)]), [account.as_str()]);
    assert!(seen(&[creator("b", Some("me"))]).is_empty());
    let several = [creator("a", Some("you")), creator("b", None), creator("a", None)];
    assert_eq!(seen(&several), [account.as_str(), yours.as_str()]);
    assert_eq!(seen(&[]), [nobodys, account, mine, yours]);
}

/// Search finds what anybody said, wherever in the thread, and nothing else.
pub fn a_text_is_found_in_any_case(store: &impl ThreadStore) {
    let long = format!("{} Die NÄCHSTE Größe_1 wäre 100% {}", "wort ".repeat(2000), "ende ".repeat(2000));
    let agents = thread(store, &Value::Null, &[user("Hello"), agent(&long)]);
    let users = thread(store, &Value::Null, &[user("Hallo"), agent("ok"), user("die nächste, bitte")]);
    thread(store, &Value::Null, &[user("Nachher"), note("die nächste")]);
    let found = |text: &str| {
        let page = store.search(text, &Query { ascending: true, ..query() }).unwrap();
        for found in &page.data {
            let (snippet, text) = (found.snippet.to_lowercase(), text.to_lowercase());
            assert!(snippet.contains(&text) && snippet.len() < 1000, "{text:?} in {snippet:?}");
            assert_eq!(Some(&found.thread), store.find(&found.thread.id).unwrap().as_ref());
        }
        page.data.into_iter().map(|found| found.thread.id).collect::<Vec<_>>()
    };
    assert_eq!(found("die nächste"), [agents.clone(), users.clone()]);
    assert_eq!(found("DIE NÄCHSTE"), [agents.clone(), users.clone()]);
    assert_eq!(found("größe_1 WÄRE 100%"), [agents]);
    assert_eq!(found("OK"), [users.as_str()]);
    assert_eq!(found("nächste,"), [users.as_str()]);
    assert!(found("gr__e").is_empty() && found("no \"such\" (word) OR hello*").is_empty());
    store.lease(&users).unwrap().append(&[agent("Zuletzt: Žluťoučký")]).unwrap();
    assert_eq!(found("žluťoučKÝ"), [users]);
    let first = store.search("die nächste", &Query { limit: 1, ..Query::default() }).unwrap();
    assert!(first.more && first.data.len() == 1);
    let after = Some(Cursor::after(&first.data[0].thread, SortKey::CreatedAt));
    let second = store.search("die nächste", &Query { after, ..query() }).unwrap();
    assert!(!second.more && second.data.len() == 1 && second.data[0].thread.id != first.data[0].thread.id);
}
