//! Reading what happened in a thread, whole and by pages.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_sim::{Chunks, Response};

use super::{Bench, MISSING, kinds, model, str_of, words};

/// A thread of seven turns, and its turns.
async fn week() -> (Bench, String, Vec<Value>) {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]).await;
    let turns = bench.turns(&thread).await;
    (bench, thread, turns)
}

/// Every entry of a list, page by page.
async fn paged(bench: &mut Bench, method: &str, mut params: Value) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let page = bench.call(method, params.clone()).await;
        let data = page["data"].as_array().unwrap();
        // Read the other way from here, a page begins with the first one of this page.
        let opposite = if params["sortDirection"] == "asc" { "desc" } else { "asc" };
        let mut back = params.clone();
        back["cursor"] = page["backwardsCursor"].clone();
        back["sortDirection"] = json!(opposite);
        assert_eq!(bench.call(method, back).await["data"][0], data[0], "{method} {params}");
        all.extend(data.iter().cloned());
        params["cursor"] = page["nextCursor"].clone();
        if params["cursor"].is_null() {
            return all;
        }
    }
}

#[tokio::test]
async fn pages_of_turns_add_up_in_both_directions_loaded_and_not() {
    let (mut bench, thread, turns) = week().await;
    for restart in [false, true] {
        if restart {
            bench = bench.restarted().await;
        }
        for limit in [1, 3, 7] {
            let params = json!({ "threadId": thread, "limit": limit, "itemsView": "full", "sortDirection": "asc" });
            assert_eq!(paged(&mut bench, "thread/turns/list", params.clone()).await, turns);
            let mut params = params;
            params["sortDirection"] = json!("desc");
            let mut newest_first = paged(&mut bench, "thread/turns/list", params).await;
            newest_first.reverse();
            assert_eq!(newest_first, turns);
        }
    }
}

#[tokio::test]
async fn pages_of_items_add_up_in_both_directions_of_the_thread_and_of_a_turn() {
    let (mut bench, thread, turns) = week().await;
    let items: Vec<Value> = turns.iter().flat_map(|turn| turn["items"].as_array().unwrap().clone()).collect();
    let of = |entries: Vec<Value>| entries.into_iter().map(|entry| entry["item"].clone()).collect::<Vec<_>>();
    for limit in [1, 4, 100] {
        for direction in ["asc", "desc"] {
            let params = json!({ "threadId": thread, "limit": limit, "sortDirection": direction });
            let mut listed = of(paged(&mut bench, "thread/items/list", params.clone()).await);
            let mut in_turn = params;
            in_turn["turnId"] = turns[2]["id"].clone();
            let mut of_turn = of(paged(&mut bench, "thread/items/list", in_turn).await);
            if direction == "desc" {
                listed.reverse();
                of_turn.reverse();
            }
            assert_eq!(listed, items);
            assert_eq!(json!(of_turn), turns[2]["items"]);
        }
    }
    let entry = &bench.call("thread/items/list", json!({ "threadId": thread })).await["data"][1];
    let item = &items[1];
    let times = (&item["startedAtMs"], &item["completedAtMs"]);
    assert_eq!((&entry["turnId"], (&entry["startedAtMs"], &entry["completedAtMs"])), (&turns[0]["id"], times));
    assert!(item["completedAtMs"].is_i64());
}

#[tokio::test]
async fn an_item_is_an_anchor_within_its_turn() {
    let (mut bench, thread, turns) = week().await;
    let (turn, said) = (&turns[3]["id"], &turns[3]["items"][0]["id"]);
    let anchor = |item: &Value, more: Value| {
        let mut params = json!({ "threadId": thread, "cursor": { "type": "item", "itemId": item } });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let after = bench.call("thread/items/list", anchor(said, json!({ "turnId": turn }))).await;
    assert_eq!((after["data"].as_array().unwrap().len(), &after["data"][0]["item"]), (1, &turns[3]["items"][1]));
    let before = anchor(&turns[3]["items"][1]["id"], json!({ "turnId": turn, "sortDirection": "desc" }));
    assert_eq!(bench.call("thread/items/list", before).await["data"][0]["item"]["id"], *said);
    let without = "turnId is required when cursor is an item anchor".to_owned();
    assert_eq!(bench.refused("thread/items/list", anchor(said, json!({}))).await, (-32602, without));
    let unknown = "cursor.itemId does not identify an item in the requested history scope".to_owned();
    for (item, turn) in [(&json!("nope"), turn), (said, &turns[4]["id"]), (said, &json!("nope"))] {
        let params = anchor(item, json!({ "turnId": turn }));
        assert_eq!(bench.refused("thread/items/list", params).await, (-32602, unknown.clone()));
    }
}

#[tokio::test]
async fn a_turn_is_seen_in_as_much_detail_as_is_asked_for() {
    let answers = Response::new().reasoning("Hm.").text("First.").text("Last.");
    let mut bench = Bench::start(model([answers])).await;
    let thread = bench.talk(&["hello"]).await;
    let whole = [("userMessage", "hello"), ("reasoning", ""), ("agentMessage", "First."), ("agentMessage", "Last.")];
    let cases: [(Value, &str, &[_]); 4] = [
        (Value::Null, "summary", &[whole[0], whole[3]]),
        (json!("summary"), "summary", &[whole[0], whole[3]]),
        (json!("notLoaded"), "notLoaded", &[]),
        (json!("full"), "full", &whole),
    ];
    for (view, told, items) in cases {
        let page = bench.call("thread/turns/list", json!({ "threadId": thread, "itemsView": view })).await;
        let turn = &page["data"][0];
        assert_eq!((str_of(turn, "itemsView"), kinds(&turn["items"]).as_slice()), (told, items));
    }
    let (_, message) = bench.refused("thread/turns/list", json!({ "threadId": thread, "itemsView": "nope" })).await;
    assert_eq!(message, "Invalid request: unknown variant `nope`, expected one of `notLoaded`, `summary`, `full`");
}

#[tokio::test]
async fn cursors_that_were_made_for_something_else_are_refused() {
    let (mut bench, thread, turns) = week().await;
    let turns_page = bench.call("thread/turns/list", json!({ "threadId": thread, "limit": 1 })).await;
    let items_page = bench.call("thread/items/list", json!({ "threadId": thread, "limit": 1 })).await;
    let bad = |method: &'static str, cursor: &Value| {
        let params = json!({ "threadId": thread, "cursor": cursor });
        (method, params, format!("invalid cursor: {}", cursor.as_str().unwrap()))
    };
    let cases = [
        bad("thread/turns/list", &items_page["nextCursor"]),
        bad("thread/items/list", &turns_page["nextCursor"]),
        bad("thread/turns/list", &json!("zzz")),
        bad("thread/items/list", &json!("")),
        bad("thread/turns/list", &json!("{}")),
    ];
    for (method, params, message) in cases {
        assert_eq!(bench.refused(method, params).await, (-32600, message), "{method}");
    }
    for turn in ["nope", ""] {
        let page = bench.call("thread/items/list", json!({ "threadId": thread, "turnId": turn })).await;
        assert_eq!(page, json!({ "data": [], "nextCursor": null, "backwardsCursor": null }));
    }
    // A cursor of a page of one turn goes on in the whole thread.
    let of_turn = json!({ "threadId": thread, "turnId": turns[0]["id"], "limit": 1 });
    let cursor = bench.call("thread/items/list", of_turn).await["nextCursor"].clone();
    let rest = bench.call("thread/items/list", json!({ "threadId": thread, "cursor": cursor })).await;
    assert_eq!(rest["data"].as_array().unwrap().len(), 13);
    for (limit, count) in [(0, 1), (2, 2)] {
        let page = bench.call("thread/turns/list", json!({ "threadId": thread, "limit": limit })).await;
        assert_eq!(page["data"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn a_turn_that_runs_is_read_as_far_as_it_is() {
    let slow = Chunks::repeat("w ", 6000).every(Duration::from_millis(10));
    let mut bench =
        Bench::start(model([Response::new().text("A word."), Response::new().text("First.").chunks(slow)])).await;
    let thread = bench.talk(&["before"]).await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    while !bench.parent.wait_for::<m::AgentMessageDelta>().await.delta.starts_with('w') {}
    let read = bench.call("thread/read", json!({ "threadId": thread, "includeTurns": true })).await["thread"].clone();
    assert_eq!(read["status"], json!({ "type": "active", "activeFlags": [] }));
    let running = &read["turns"][1];
    assert_eq!((str_of(running, "id"), str_of(running, "status")), (turn.as_str(), "inProgress"));
    let seen = kinds(&running["items"]);
    assert_eq!(seen[..2], [("userMessage", "hello"), ("agentMessage", "First.")]);
    assert!(seen[2].1.starts_with("w "), "what is not whole is shown as far as it was told: {seen:?}");
    let page = bench.call("thread/turns/list", json!({ "threadId": thread })).await;
    assert_eq!((str_of(&page["data"][0], "status"), str_of(&page["data"][1], "status")), ("inProgress", "completed"));
    let items = bench.call("thread/items/list", json!({ "threadId": thread, "turnId": turn })).await;
    assert_eq!(items["data"].as_array().unwrap().len(), 2, "whole items only");
    bench.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn })).await;
    bench.parent.end_of(&turn).await;
    let turns = bench.turns(&thread).await;
    assert_eq!(kinds(&turns[1]["items"]), [("userMessage", "hello"), ("agentMessage", "First.")]);
    assert_eq!(str_of(&turns[1], "status"), "interrupted");
}

#[tokio::test]
async fn threads_without_a_history_are_refused_in_the_words_that_clients_know() {
    let mut bench = Bench::start(words()).await;
    let fresh = bench.parent.thread().await;
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    let ephemeral = str_of(&ephemeral["thread"], "id").to_owned();
    bench.say(&ephemeral, "hello").await;
    let unwritten =
        format!("thread {fresh} is not materialized yet; thread/turns/list is unavailable before first user message");
    let missing = format!("thread not loaded: {MISSING}");
    let no_items = "thread/items/list is not supported yet";
    let cases = [
        ("thread/turns/list", fresh.as_str(), -32600, unwritten.as_str()),
        ("thread/items/list", &fresh, -32601, no_items),
        ("thread/turns/list", &ephemeral, -32600, "ephemeral threads do not support thread/turns/list"),
        ("thread/items/list", &ephemeral, -32601, no_items),
        ("thread/read", &ephemeral, -32600, "ephemeral threads do not support includeTurns"),
        ("thread/read", &fresh, -32601, "list_turns is not supported yet"),
        ("thread/read", MISSING, -32600, &missing),
        ("thread/turns/list", MISSING, -32600, &missing),
        ("thread/items/list", MISSING, -32601, no_items),
    ];
    for (method, thread, code, message) in cases {
        let refused = bench.refused(method, json!({ "threadId": thread, "includeTurns": true })).await;
        assert_eq!(refused, (code, message.to_owned()), "{method}");
    }
    for method in ["thread/read", "thread/turns/list", "thread/items/list"] {
        let (code, message) = bench.refused(method, json!({ "threadId": "nope" })).await;
        assert!(code == -32600 && message.starts_with("invalid thread id: "), "{method}: {message}");
    }
    let read = bench.call("thread/read", json!({ "threadId": ephemeral })).await;
    assert_eq!((&read["thread"]["path"], &read["thread"]["ephemeral"]), (&Value::Null, &json!(true)));
}
