//! Texts that are no message, and messages that nobody needs. Both transports treat them alike.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::host::Host;

/// What is no message, and the code for whoever wants to be told. What must not be logged holds `hush`.
const NO_MESSAGE: &[(&str, i64)] = &[
    ("hush", -32700),
    (r#"{"id":1,"method":"hush"#, -32700),
    (r#"{"id":1,"method":"hush",}"#, -32700),
    (r#"{"id":1,"method":"hush\ud800"}"#, -32700),
    ("{\"id\":1,\"method\":\"hush\u{0}\"}", -32700),
    ("\u{0}\u{1}", -32700),
    ("\u{feff}{\"id\":1,\"method\":\"hush\"}", -32700),
    ("{\"id\":1,\"method\":\"hush\"}\r{\"id\":2,\"method\":\"hush\"}", -32700),
    (r#"{"id":null,"method":"hush"}"#, -32600),
    (r#"{"id":1.5,"method":"hush"}"#, -32600),
    (r#"{"id":1e2,"method":"hush"}"#, -32600),
    (r#"{"id":true,"method":"hush"}"#, -32600),
    (r#"{"id":{"hush":1},"method":"x"}"#, -32600),
    (r#"{"id":["hush"],"method":"x"}"#, -32600),
    (r#"{"id":9223372036854775808,"method":"hush"}"#, -32600),
    (r#"{"id":1,"hush":1}"#, -32600),
    (r#"{}"#, -32600),
];

#[tokio::test]
async fn text_that_is_no_message_is_dropped_and_logged_with_its_length_a_count_and_none_of_its_words() {
    for mut host in Host::of_each_kind(&Value::Null).await {
        for (count, (text, _code)) in (1..).zip(NO_MESSAGE) {
            host.send(text.as_bytes()).await;
            let line = host.logged("a text is no message").await;
            assert!(line.contains(&format!(" bytes={} count={count} reason=", text.len())), "{line}");
            assert!(!line.contains("hush"), "{line}");
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn t_8_whoever_wants_to_be_told_of_such_text_is_told_once_for_each() {
    for mut host in Host::of_each_kind(&json!({ "valet": { "parseErrors": true } })).await {
        for (text, code) in NO_MESSAGE {
            host.send(text.as_bytes()).await;
            let answer = host.answer().await;
            assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&Value::Null, Some(*code)), "{text}");
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn an_array_of_the_members_of_a_request_is_no_request() {
    for mut host in Host::of_each_kind(&Value::Null).await {
        host.send(br#"[7,"thread/loaded/list",{}]"#).await;
        host.send(br#"[{"id":8,"method":"thread/loaded/list","params":{}}]"#).await;
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_no_message_on_a_pipe() {
    let mut host = Host::over_pipes(&Value::Null).await;
    for bytes in [&b"\xff\xfe"[..], b"{\"id\":1,\"method\":\"\xc3\x28\"}", b"{\"id\":\"\xff\",\"method\":\"x\"}"] {
        host.send(bytes).await;
        let line = host.logged("a text is no message").await;
        assert!(line.contains(&format!(" bytes={} ", bytes.len())), "{line}");
    }
    assert_eq!(host.still_works().await, [] as [Value; 0]);
}

#[tokio::test]
async fn ids_come_back_as_they_were_and_the_same_id_twice_is_served_twice() {
    let ids = [json!("a"), json!(""), json!("1"), json!(1), json!(0), json!(-7), json!(i64::MAX), json!(i64::MIN)];
    for mut host in Host::of_each_kind(&Value::Null).await {
        for id in &ids {
            for _ in 0..2 {
                host.send(json!({ "id": id, "method": "thread/loaded/list", "params": {} }).to_string().as_bytes())
                    .await;
            }
        }
        // Each is served at once, so the answers come in any order.
        let mut wanted = [ids.clone(), ids.clone()].concat();
        while !wanted.is_empty() {
            let answer = host.answer().await;
            let position = wanted.iter().position(|id| *id == answer["id"]);
            wanted.swap_remove(position.expect("the answer to one of the requests"));
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn answers_to_questions_that_nobody_asked_are_ignored() {
    for mut host in Host::of_each_kind(&Value::Null).await {
        for id in [json!(0), json!(1), json!(-1), json!("0"), json!("good 1")] {
            host.send(json!({ "id": id, "result": { "accessToken": "x" } }).to_string().as_bytes()).await;
            host.send(json!({ "id": id, "error": "not even an object" }).to_string().as_bytes()).await;
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn half_a_line_before_the_end_of_stdin_is_no_message_and_what_came_before_is_answered() {
    let mut host = Host::over_pipes(&Value::Null).await;
    host.write(b"{\"id\":7,\"method\":\"thread/loaded/list\",\"params\":{}}\n{\"id\":8,\"method\":\"thr").await;
    let (said, code) = host.end().await;
    let answers: Vec<_> = said.iter().filter(|message| message.get("method").is_none()).map(|m| &m["id"]).collect();
    assert_eq!((answers, code), (vec![&json!(7)], Some(0)));
}

#[tokio::test]
async fn a_line_that_is_whole_but_for_its_line_break_is_served_at_the_end_of_stdin() {
    let mut host = Host::over_pipes(&Value::Null).await;
    host.write(b"{\"id\":7,\"method\":\"thread/loaded/list\",\"params\":{}}").await;
    let (said, code) = host.end().await;
    assert!(said.iter().any(|message| message["id"] == 7 && message.get("result").is_some()), "{said:?}");
    assert_eq!(code, Some(0));
}
