//! What is deep or long, and costs no stack and no long answer.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::host::Host;

const DEPTH: usize = 100_000;

fn deep(open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH))
}

#[tokio::test]
async fn a_depth_of_100_000_is_no_message_or_a_refusal_or_not_even_looked_at() {
    let (array, object) = (deep("[", "]"), deep("{\"a\":", "}"));
    let dropped = [array.clone(), object.clone(), "[".repeat(DEPTH), format!(r#"{{"id":{array},"method":"x"}}"#)];
    let ignored = [format!(r#"{{"id":4711,"result":{object}}}"#), format!(r#"{{"method":"x","params":{array}}}"#)];
    let served = [
        format!(r#"{{"id":1,"method":"thread/loaded/list","params":{{}},"trace":{object}}}"#),
        format!(r#"{{"id":2,"method":"thread/loaded/list","params":{{"no such":{array}}}}}"#),
    ];
    let limit = "Invalid request: recursion limit exceeded";
    let too_many = "failed to load configuration: invalid configuration: a key has more than 64 parts";
    let path = "a.".repeat(DEPTH);
    let refused = [
        (format!(r#"{{"id":3,"method":"thread/start","params":{{"config":{{"a":{object}}}}}}}"#), limit),
        (format!(r#"{{"id":4,"method":"thread/start","params":{{"config":{{"{path}a":1}}}}}}"#), too_many),
    ];
    for mut host in Host::of_each_kind(&Value::Null).await {
        for text in dropped.iter().chain(&ignored) {
            host.send(text.as_bytes()).await;
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
        for text in &served {
            host.send(text.as_bytes()).await;
            assert!(host.answer().await.get("result").is_some());
        }
        for (text, words) in &refused {
            host.send(text.as_bytes()).await;
            assert_eq!(host.answer().await["error"]["message"], *words);
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn a_refusal_does_not_repeat_all_of_what_it_refuses() {
    let long = "x".repeat(1024 * 1024);
    for mut host in Host::of_each_kind(&Value::Null).await {
        host.send(json!({ "id": 1, "method": long, "params": {} }).to_string().as_bytes()).await;
        host.send(json!({ "id": 2, "method": "thread/start", "params": { "sandbox": long } }).to_string().as_bytes())
            .await;
        for id in [1, 2] {
            let answer = host.answer().await;
            let words = answer["error"]["message"].as_str().unwrap();
            assert_eq!(answer["id"], id);
            assert!(
                words.starts_with("Invalid request: unknown variant `xxx") && words.len() < 5000,
                "{}",
                words.len()
            );
        }
        assert_eq!(host.still_works().await, [] as [Value; 0]);
    }
}
