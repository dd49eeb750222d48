//! Plans: the model's own, and the mode in which it makes one and asks.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_sim::Response;

use super::{Bench, confined, model, one_call};

fn tool_names(post: &Value) -> Vec<&str> {
    post["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn questions() -> Value {
    let option = |label: &str| json!({ "label": label, "description": "It is so." });
    let options = [option("Red"), option("Blue")];
    json!({ "questions": [{ "id": "colour", "header": "Colour", "question": "Which?", "options": options }] })
}

fn mode(mode: &str) -> Value {
    let settings = json!({ "model": "gpt-5.5", "reasoning_effort": null, "developer_instructions": null });
    json!({ "collaborationMode": { "mode": mode, "settings": settings } })
}

#[tokio::test]
async fn a_plan_is_told_whole_each_time() {
    let step = |step: &str, status: &str| json!({ "step": step, "status": status });
    let first = json!({ "plan": [step("Look", "in_progress"), step("Build", "pending")] });
    let second =
        json!({ "explanation": "Found it.", "plan": [step("Look", "completed"), step("Build", "in_progress")] });
    let calls = [first, second].map(|plan| Response::new().function_call("update_plan", plan));
    let mut bench = Bench::start(confined(), model(calls)).await;
    bench.turn().await;
    let told = bench.told("turn/plan/updated");
    let plan = |told: &Value| (told["explanation"].clone(), told["plan"].clone());
    assert_eq!(plan(&told[0]), (Value::Null, json!([step("Look", "inProgress"), step("Build", "pending")])));
    assert_eq!(plan(&told[1]), (json!("Found it."), json!([step("Look", "completed"), step("Build", "inProgress")])));
    assert_eq!(bench.outputs(), ["Plan updated", "Plan updated"]);
}

#[tokio::test]
async fn in_plan_mode_the_model_asks_and_gets_the_answers() {
    let mut bench = Bench::start(confined(), one_call("request_user_input", questions())).await;
    let turn = bench.begin_with(mode("plan")).await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.method, "item/tool/requestUserInput");
    let question = &asked.params["questions"][0];
    assert_eq!((&question["id"], &question["options"][1]["label"]), (&json!("colour"), &json!("Blue")));
    let answers = json!({ "answers": { "colour": { "answers": ["Blue"] } } });
    bench.parent.answer(&asked, &answers);
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Completed);
    assert_eq!(serde_json::from_str::<Value>(&bench.output()).unwrap(), answers);
    assert_eq!(bench.flags(), [json!([]), json!(["waitingOnUserInput"]), json!([])]);
    assert_eq!(bench.told("serverRequest/resolved").len(), 1);
    let post = &bench.posts()[0];
    assert!(tool_names(post).contains(&"request_user_input") && !tool_names(post).contains(&"update_plan"));
    assert!(post["input"].to_string().contains("You are in plan mode"));
}

#[tokio::test]
async fn questions_that_nobody_answers_are_said_to_be_so() {
    let mut bench = Bench::start(confined(), one_call("request_user_input", questions())).await;
    let turn = bench.begin_with(mode("plan")).await;
    let asked = bench.parent.asked().await;
    bench.parent.answer(&asked, &json!({ "answers": "Blue" }));
    bench.end(&turn).await;
    assert_eq!(bench.output(), "the questions could not be put to the user");
}

#[tokio::test]
async fn outside_of_plan_mode_nobody_is_asked() {
    let mut bench = Bench::start(confined(), one_call("request_user_input", questions())).await;
    bench.turn().await;
    assert_eq!(bench.output(), "unsupported call: request_user_input");
    assert!(!bench.parent.was_asked());
}

#[tokio::test]
async fn the_model_is_told_when_the_mode_begins_and_when_it_is_over_and_once_each() {
    let mut bench = Bench::start(confined(), model([])).await;
    bench.turn().await;
    for (mode_name, begun, over) in [("plan", 1, 0), ("plan", 1, 0), ("default", 1, 1), ("default", 1, 1)] {
        let turn = bench.begin_with(mode(mode_name)).await;
        bench.end(&turn).await;
        let input = json!(bench.input()).to_string();
        let count = |text: &str| input.matches(text).count();
        assert_eq!((count("You are in plan mode"), count("That mode is over")), (begun, over), "{mode_name}");
    }
}

#[tokio::test]
async fn an_interrupt_while_a_person_thinks_closes_the_question() {
    let mut bench = Bench::start(confined(), one_call("request_user_input", questions())).await;
    let turn = bench.begin_with(mode("plan")).await;
    bench.parent.asked().await;
    bench.interrupt(&turn).await;
    bench.parent.wait_for::<valet_protocol::methods::ServerRequestResolved>().await;
    assert_eq!(bench.flags(), [json!([]), json!(["waitingOnUserInput"]), json!([])]);
}
