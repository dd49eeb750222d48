//! Tools of the client: declared with the thread, called through the client, answered in any form.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_sim::Response;

use super::{Bench, confined, model};

fn tools() -> Value {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let function =
        |name: &str| json!({ "type": "function", "name": name, "description": "Tells.", "inputSchema": schema });
    json!([function("weather"), { "type": "namespace", "name": "maps", "description": "Maps.", "tools": [function("find")] }])
}

/// A turn in which the model calls that tool, and the client is asked.
async fn asked(name: &str) -> (Bench, String, valet_tests::Asked) {
    let call = Response::new().function_call(name, json!({ "city": "Paris" }));
    let mut bench = Bench::start_with(confined(), model([call]), json!({ "dynamicTools": tools() })).await;
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.method, "item/tool/call");
    (bench, turn, asked)
}

async fn answered(answer: Value) -> Bench {
    let (mut bench, turn, asked) = asked("weather").await;
    bench.parent.answer(&asked, &answer);
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Completed);
    assert!(bench.told("serverRequest/resolved").is_empty() && bench.flags() == [json!([])]);
    bench
}

#[tokio::test]
async fn the_model_is_told_of_the_tool_and_its_call_goes_to_the_client() {
    let (mut bench, turn, asked) = asked("weather").await;
    let (tool, arguments) = (&asked.params["tool"], &asked.params["arguments"]);
    assert_eq!(
        (tool, arguments, &asked.params["namespace"]),
        (&json!("weather"), &json!({ "city": "Paris" }), &Value::Null)
    );
    bench
        .parent
        .answer(&asked, &json!({ "contentItems": [{ "type": "inputText", "text": "Rain." }], "success": true }));
    bench.end(&turn).await;
    assert_eq!(bench.output(), "Rain.");
    let item = bench.item("dynamicToolCall");
    assert_eq!(
        (&item["id"], &item["status"], &item["success"]),
        (&asked.params["callId"], &json!("completed"), &json!(true))
    );
    assert_eq!(item["contentItems"], json!([{ "type": "inputText", "text": "Rain." }]));
    let told =
        bench.posts()[0]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "weather").unwrap().clone();
    assert_eq!((&told["strict"], &told["parameters"]["type"]), (&json!(false), &json!("object")));
}

#[tokio::test]
async fn a_tool_of_a_namespace_is_called_by_both_names() {
    let (mut bench, turn, asked) = asked("maps__find").await;
    assert_eq!((&asked.params["namespace"], &asked.params["tool"]), (&json!("maps"), &json!("find")));
    bench.parent.answer(&asked, &json!({ "contentItems": [], "success": true }));
    bench.end(&turn).await;
    let item = bench.item("dynamicToolCall");
    assert_eq!((&item["namespace"], &item["tool"]), (&json!("maps"), &json!("find")));
    assert_eq!(bench.outputs(), [json!([])]);
}

#[tokio::test]
async fn parts_are_passed_on_as_they_are() {
    let url = "data:image/png;base64,AA==";
    let parts = json!([{ "type": "inputText", "text": "Look:" }, { "type": "inputImage", "imageUrl": url }]);
    let bench = answered(json!({ "contentItems": parts, "success": true })).await;
    let expected = json!([{ "type": "input_text", "text": "Look:" }, { "type": "input_image", "image_url": url }]);
    assert_eq!(bench.outputs(), [expected]);
}

#[tokio::test]
async fn a_tool_that_says_that_it_failed_is_shown_so() {
    let bench = answered(json!({ "contentItems": [{ "type": "inputText", "text": "No." }], "success": false })).await;
    let item = bench.item("dynamicToolCall");
    assert_eq!((&item["status"], &item["success"]), (&json!("failed"), &json!(false)));
    assert_eq!(bench.output(), "No.");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_a_failure() {
    for answer in [json!({}), json!("Rain."), json!({ "contentItems": "Rain.", "success": true })] {
        let bench = answered(answer).await;
        assert_eq!(bench.output(), "dynamic tool response was invalid");
        assert_eq!(bench.item("dynamicToolCall")["success"], false);
    }
}

#[tokio::test]
async fn an_error_of_the_client_is_a_failure() {
    let (mut bench, turn, asked) = asked("weather").await;
    bench.parent.refuse(&asked, &json!({ "code": -32000, "message": "no" }));
    bench.end(&turn).await;
    assert_eq!(bench.output(), "dynamic tool request failed");
    assert_eq!(bench.item("dynamicToolCall")["status"], "failed");
}

#[tokio::test]
async fn an_interrupt_while_the_client_works_leaves_no_item_open() {
    let (mut bench, turn, asked) = asked("weather").await;
    bench.interrupt(&turn).await;
    assert_eq!(bench.item("dynamicToolCall")["status"], "failed");
    bench.parent.answer(&asked, &json!({ "contentItems": [], "success": true }));
    bench.turn().await;
    assert!(bench.output().ends_with("aborted by user"));
}

#[tokio::test]
async fn two_calls_are_made_at_the_same_time_and_answered_in_any_order() {
    let call = |city: &str| json!({ "city": city });
    let both = Response::new().function_call("weather", call("Paris")).function_call("weather", call("Rome"));
    let mut bench = Bench::start_with(confined(), model([both]), json!({ "dynamicTools": tools() })).await;
    let turn = bench.begin().await;
    let asked = [bench.parent.asked().await, bench.parent.asked().await];
    for asked in asked.iter().rev() {
        let text = &asked.params["arguments"]["city"];
        bench
            .parent
            .answer(asked, &json!({ "contentItems": [{ "type": "inputText", "text": text }], "success": true }));
    }
    bench.end(&turn).await;
    assert_eq!(bench.outputs(), ["Paris", "Rome"]);
}
