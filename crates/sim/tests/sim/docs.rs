//! The documentation's scripts are scripts.

use anyhow::{Context as _, Result};
use pretty_assertions::assert_eq;
use serde_json::Value;
use valet_sim::{Script, Sim};

use crate::support::{Client, kinds};

const PAGE: &str = include_str!("../../../../docs/sim.md");

/// The blocks that begin with "```json script".
fn scripts() -> Vec<&'static str> {
    let blocks = PAGE.split("```json script\n").skip(1);
    blocks.filter_map(|block| block.split("\n```").next()).collect()
}

#[tokio::test]
async fn every_script_of_the_page_can_be_played() -> Result<()> {
    assert!(scripts().len() >= 5, "{} scripts found", scripts().len());
    for text in scripts() {
        let sim = Sim::start(Script::from_json(text)?).await?;
        let client = Client::new(&sim)?;
        let rules: Value = serde_json::from_str(text)?;
        for rule in rules["rules"].as_array().into_iter().flatten() {
            let needle = rule["when"]["userText"].as_str().unwrap_or("anything");
            let responses = rule["responses"].as_array().context("no responses")?;
            let times = rule["times"].as_u64().map_or(responses.len(), |times| times as usize);
            // After the last response, the last one repeats.
            for said in responses.iter().chain(responses.last().into_iter().cycle()).take(times) {
                let response = client.turn("key", needle).await?;
                assert_eq!(u64::from(response.status().as_u16()), said["status"].as_u64().unwrap_or(200), "{text}");
                let is_cut = said["steps"].as_array().into_iter().flatten().any(|step| step["cut"] == true);
                match response.text().await {
                    Err(_) => assert!(is_cut, "{text}"),
                    Ok(body) if said["body"].is_null() => {
                        assert!(!is_cut && body.starts_with("event: response.created"), "{text}\n{body}");
                    }
                    Ok(body) => assert_eq!(serde_json::from_str::<Value>(&body)?, said["body"]),
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_first_example_of_the_page_does_what_it_says() -> Result<()> {
    let script = scripts().first().copied().context("no script")?;
    let client = Client::new(&Sim::start(Script::from_json(script)?).await?)?;
    let events = client.events("hello").await?;
    assert_eq!(kinds(&events).last(), Some(&"response.completed"));
    Ok(())
}

#[test]
fn a_script_file_that_cannot_be_used_is_named() {
    let error = |path| Script::load(path).map_or_else(|error| error.to_string(), |_| String::new());
    let missing = error("no/such/file.json");
    assert!(missing.starts_with("cannot read no/such/file.json: "), "{missing}");
    let wrong = error("Cargo.toml");
    assert!(wrong.starts_with("Cargo.toml: ") && wrong.contains("line 1 column"), "{wrong}");
}
