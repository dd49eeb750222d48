//! Tools where there are only functions: one that takes free text is offered as a function with one argument, and a
//! call of it is turned back.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

/// The tool as chat completions have it; none for what only the Responses API hosts.
pub(super) fn function(tool: &Value) -> Option<Value> {
    let parameters = match tool["type"].as_str()? {
        "function" => tool["parameters"].clone(),
        "custom" => free_text(&tool["format"]),
        _ => return None,
    };
    let function = json!({ "name": tool["name"], "description": tool["description"], "parameters": parameters });
    Some(json!({ "type": "function", "function": function }))
}

/// The tools that take free text, by name.
pub(super) fn freeform(tools: &[Value]) -> Vec<String> {
    let custom = tools.iter().filter(|tool| tool["type"] == "custom");
    custom.filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
}

/// The one argument. Nobody holds the model to the grammar, so it has to be told.
fn free_text(format: &Value) -> Value {
    let description = match (format["syntax"].as_str(), format["definition"].as_str()) {
        (Some(syntax), Some(grammar)) => {
            format!("The text itself, in the language of this {syntax} grammar:\n{grammar}")
        }
        _ => "The text itself.".to_owned(),
    };
    json!({
        "type": "object",
        "properties": { "input": { "type": "string", "description": description } },
        "required": ["input"],
        "additionalProperties": false,
    })
}

/// The arguments of a call of a tool that takes free text.
pub(super) fn arguments(input: &str) -> String {
    json!({ "input": input }).to_string()
}

/// The free text that a model means. Some write it without the argument around it.
pub(super) fn input(arguments: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct FreeText<'a> {
        input: Cow<'a, str>,
    }
    serde_json::from_str::<FreeText<'_>>(arguments).map_or(Cow::Borrowed(arguments), |arguments| arguments.input)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::{arguments, freeform, function, input};

    #[test]
    fn a_tool_that_takes_free_text_is_a_function_with_one_argument_that_tells_the_grammar() {
        let tool = valet_tools::definitions::apply_patch();
        let offered = function(&tool).unwrap();
        assert_eq!(offered["type"], "function");
        assert_eq!(offered["function"]["name"], "apply_patch");
        let parameters = &offered["function"]["parameters"];
        assert_eq!(parameters["required"], json!(["input"]));
        let told = parameters["properties"]["input"]["description"].as_str().unwrap();
        assert!(told.contains(valet_tools::patch::GRAMMAR), "{told}");
        assert_eq!(freeform(&[tool, valet_tools::definitions::view_image()]), ["apply_patch"]);
    }

    #[test]
    fn a_tool_that_only_the_responses_api_hosts_is_not_offered() {
        assert_eq!(function(&json!({ "type": "web_search" })), None);
    }

    #[test]
    fn free_text_comes_back_as_it_was_with_and_without_the_argument_around_it() {
        let patch = "*** Begin Patch\n\"é\"\n*** End Patch";
        assert_eq!(input(&arguments(patch)), patch);
        assert_eq!(input(patch), patch);
    }
}
