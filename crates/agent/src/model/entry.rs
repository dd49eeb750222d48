//! One model as it is told: by the backend of subscriptions, by a server of the OpenAI kind, or by the built-in list.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::catalog::{self, EFFORTS, ModelInfo};

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// As the backend is told.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it is best at.
    pub specialty: Option<String>,
    /// Whether pickers leave it out.
    pub hidden: bool,
    /// The model that replaces it.
    pub upgrade: Option<String>,
    /// The efforts it takes, weakest first.
    pub efforts: Vec<Effort>,
    /// The effort that is asked for when nobody says one.
    pub default_effort: Option<String>,
    /// What it reads.
    pub reads: Vec<String>,
    /// The service tiers it can be asked for.
    pub tiers: Vec<Tier>,
    /// The older form of the same.
    pub speeds: Vec<String>,
    /// The tier used when none is asked for.
    pub default_tier: Option<String>,
}

/// How hard a model thinks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Effort {
    /// As the backend is told.
    pub effort: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// How fast a model answers, and at what price.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tier {
    /// As the backend is told.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// Either form of a list.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    models: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
}

/// A model of a server of the OpenAI kind.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// A model of the backend of subscriptions.
#[derive(Deserialize)]
struct Entry {
    slug: String,
    display_name: Option<String>,
    description: Option<String>,
    model_specialty: Option<String>,
    visibility: Option<String>,
    #[serde(default)]
    priority: i64,
    upgrade: Option<Upgrade>,
    supported_reasoning_levels: Option<Vec<Effort>>,
    default_reasoning_level: Option<String>,
    input_modalities: Option<Vec<String>>,
    service_tiers: Option<Vec<Tier>>,
    additional_speed_tiers: Option<Vec<String>>,
    default_service_tier: Option<String>,
}

#[derive(Deserialize)]
struct Upgrade {
    model: Option<String>,
}

/// Reads a list, best first. A model that cannot be read is left out. None: there is none to choose.
pub(crate) fn read(body: &[u8]) -> Option<Vec<Model>> {
    let list: List<'_> = serde_json::from_slice(body).ok()?;
    let models: Vec<Model> = match (list.models, list.data) {
        (Some(models), _) => {
            let mut entries: Vec<Entry> =
                models.into_iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
            entries.sort_by_key(|entry| entry.priority);
            entries.into_iter().map(Model::from).collect()
        }
        (None, data) => {
            let named = data?.into_iter().filter_map(|raw| serde_json::from_str::<Named>(raw.get()).ok());
            named.map(|named| Model::named(named.id)).collect()
        }
    };
    models.iter().any(|model| !model.hidden).then_some(models)
}

impl Model {
    /// The list where nobody has told of any.
    pub fn built_in() -> Arc<[Self]> {
        catalog::MODELS.iter().map(Self::from).collect()
    }

    /// A model of which a server says no more than the name.
    fn named(slug: String) -> Self {
        match catalog::find(&slug) {
            Some(known) => known.into(),
            None => Self {
                name: slug.clone(),
                description: String::new(),
                specialty: None,
                hidden: false,
                upgrade: None,
                efforts: Vec::new(),
                default_effort: None,
                reads: words(["text"]),
                tiers: Vec::new(),
                speeds: Vec::new(),
                default_tier: None,
                slug,
            },
        }
    }
}

impl From<Entry> for Model {
    fn from(entry: Entry) -> Self {
        Self {
            name: entry.display_name.unwrap_or_else(|| entry.slug.clone()),
            description: entry.description.unwrap_or_default(),
            specialty: entry.model_specialty,
            hidden: entry.visibility.is_some_and(|visibility| visibility != "list"),
            upgrade: entry.upgrade.and_then(|upgrade| upgrade.model),
            efforts: entry.supported_reasoning_levels.unwrap_or_default(),
            default_effort: entry.default_reasoning_level,
            reads: entry.input_modalities.unwrap_or_else(|| words(["text", "image"])),
            tiers: entry.service_tiers.unwrap_or_default(),
            speeds: entry.additional_speed_tiers.unwrap_or_default(),
            default_tier: entry.default_service_tier,
            slug: entry.slug,
        }
    }
}

impl From<&ModelInfo> for Model {
    fn from(model: &ModelInfo) -> Self {
        let efforts = EFFORTS.iter();
        Self {
            name: model.name.to_owned(),
            description: model.description.to_owned(),
            efforts: efforts
                .map(|(effort, words)| Effort { effort: (*effort).to_owned(), description: (*words).to_owned() })
                .collect(),
            default_effort: Some(model.default_effort.to_owned()),
            reads: words(["text", "image"]),
            slug: model.slug.to_owned(),
            specialty: None,
            hidden: false,
            upgrade: None,
            tiers: Vec::new(),
            speeds: Vec::new(),
            default_tier: None,
        }
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use super::read;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    fn slugs(list: &Value) -> Option<Vec<(String, bool)>> {
        let models = read(list.to_string().as_bytes())?;
        Some(models.into_iter().map(|model| (model.slug, model.hidden)).collect())
    }

    #[test]
    fn the_backends_models_come_by_priority_and_those_that_cannot_be_read_are_left_out() {
        let list = json!({ "models": [
            { "slug": "second", "priority": 3, "visibility": "list" },
            { "name": "no model" },
            { "slug": "kept out", "priority": 1, "visibility": "hide" },
            { "slug": "first", "priority": 2, "upgrade": null, "service_tiers": null },
        ]});
        let expected = [("kept out", true), ("first", false), ("second", false)];
        assert_eq!(slugs(&list).unwrap(), expected.map(|(slug, hidden)| (slug.to_owned(), hidden)));
    }

    #[test]
    fn a_server_of_the_openai_kind_tells_names_and_what_is_known_of_them_is_added() {
        let list = json!({ "object": "list", "data": [{ "id": "own" }, { "id": "gpt-5.5", "object": "model" }] });
        let models = read(list.to_string().as_bytes()).unwrap();
        assert_eq!((models[0].name.as_str(), models[0].efforts.len()), ("own", 0));
        assert_eq!((models[1].name.as_str(), models[1].efforts.len()), ("GPT-5.5", 4));
    }

    #[test]
    fn a_list_without_a_choice_is_none() {
        let hidden = json!({ "models": [{ "slug": "a", "visibility": "hide" }] });
        for list in [hidden, json!({ "models": [] }), json!({}), json!([]), json!("words")] {
            assert_eq!(slugs(&list), None, "{list}");
        }
    }
}
