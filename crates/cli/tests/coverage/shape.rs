//! A JSON Schema brought to one form: which kinds of values there are. Order, descriptions, titles, bounds of numbers
//! and the spelling of unions are gone; references are followed one step at a time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A place in a schema file, which knows the definitions of the file.
#[derive(Clone, Copy)]
pub(crate) struct Schema<'a> {
    pub(crate) value: &'a Value,
    pub(crate) file: &'a Value,
}

/// An object and what may be in it.
#[derive(Clone, Default)]
pub(crate) struct Object<'a> {
    pub(crate) members: BTreeMap<&'a str, Member<'a>>,
    /// Of members without a name in the schema.
    pub(crate) rest: Option<Schema<'a>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) schema: Schema<'a>,
    pub(crate) required: bool,
}

/// All that a schema allows.
#[derive(Default)]
pub(crate) struct Alternatives<'a> {
    /// Every value at all.
    pub(crate) any: bool,
    /// `null`, `boolean`, `integer`, `number`, `string`.
    pub(crate) simple: BTreeSet<&'a str>,
    pub(crate) literals: BTreeSet<String>,
    pub(crate) elements: Vec<Schema<'a>>,
    pub(crate) objects: Vec<Object<'a>>,
}

impl<'a> Schema<'a> {
    /// A whole file.
    pub(crate) fn file(file: &'a Value) -> Self {
        Self { value: file, file }
    }

    fn at(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    fn list(self, key: &str) -> impl Iterator<Item = Self> {
        self.value[key].as_array().into_iter().flatten().map(move |value| self.at(value))
    }

    /// The definition that this stands for, if it is nothing but a reference.
    pub(crate) fn target(self) -> Option<(&'a str, Self)> {
        let path = self.value["$ref"].as_str()?;
        let target = self.file.pointer(path.strip_prefix('#')?).expect("the schema defines what it refers to");
        Some((path.rsplit('/').next()?, self.at(target)))
    }

    /// The same, looking through a lone `allOf` and past `null`.
    pub(crate) fn named(self) -> Option<(&'a str, Self)> {
        if let Some(named) = self.target() {
            return Some(named);
        }
        let mut inner = self
            .list("allOf")
            .chain(self.list("anyOf"))
            .chain(self.list("oneOf"))
            .filter(|schema| schema.value["type"] != "null");
        let only = inner.next().filter(|_| inner.next().is_none() && self.value["properties"].is_null())?;
        only.named()
    }

    /// What is allowed.
    pub(crate) fn alternatives(self) -> Alternatives<'a> {
        let mut all = Alternatives::default();
        self.collect(&mut all);
        all
    }

    fn collect(self, all: &mut Alternatives<'a>) {
        if let Some((_, target)) = self.target() {
            return target.collect(all);
        }
        let is_object = self.value["properties"].is_object() || self.value["type"] == "object";
        if is_object || self.list("allOf").count() > 1 {
            all.objects.extend(self.objects());
            return;
        }
        if *self.value == false {
            return;
        }
        let mut seen = false;
        for schema in self.list("allOf").chain(self.list("anyOf")).chain(self.list("oneOf")) {
            seen = true;
            schema.collect(all);
        }
        if let Some(values) = self.value["enum"].as_array() {
            all.literals.extend(values.iter().map(text));
            return;
        }
        let kinds = &self.value["type"];
        for kind in kinds.as_str().into_iter().chain(kinds.as_array().into_iter().flatten().filter_map(Value::as_str)) {
            seen = true;
            match kind {
                "array" if self.value["maxItems"] == 0 => all.elements.push(self.at(&Value::Bool(false))),
                "array" => all.elements.push(self.at(self.value.get("items").unwrap_or(&Value::Bool(true)))),
                "object" => all.objects.extend(self.objects()),
                simple => drop(all.simple.insert(simple)),
            }
        }
        all.any |= !seen;
    }

    /// The forms of an object: its own members with those of all its parts, and with those of each of its variants.
    fn objects(self) -> Vec<Object<'a>> {
        let mut forms = vec![self.own_members()];
        for part in self.list("allOf") {
            forms = joined(&forms, &part.resolved().objects());
        }
        let variants: Vec<Object<'a>> =
            self.list("anyOf").chain(self.list("oneOf")).flat_map(|variant| variant.resolved().objects()).collect();
        if variants.is_empty() { forms } else { joined(&forms, &variants) }
    }

    fn resolved(self) -> Self {
        self.target().map_or(self, |(_, target)| target)
    }

    fn own_members(self) -> Object<'a> {
        let required: Vec<&str> =
            self.value["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let members = self.value["properties"].as_object().into_iter().flatten().map(|(name, value)| {
            let required = required.contains(&name.as_str());
            (name.as_str(), Member { schema: self.at(value), required })
        });
        let rest = self.value.get("additionalProperties").filter(|rest| **rest != false).map(|rest| self.at(rest));
        Object { members: members.collect(), rest }
    }
}

/// Each of these with each of those.
fn joined<'a>(these: &[Object<'a>], those: &[Object<'a>]) -> Vec<Object<'a>> {
    let pairs = these.iter().flat_map(|this| those.iter().map(move |that| (this, that)));
    let join = |(this, that): (&Object<'a>, &Object<'a>)| {
        let mut joined = this.clone();
        joined.members.extend(&that.members);
        joined.rest = joined.rest.or(that.rest);
        joined
    };
    pairs.map(join).collect()
}

impl Alternatives<'_> {
    /// Whether there is no such value: the elements of a list that is always empty.
    pub(crate) fn is_empty(&self) -> bool {
        let nothing = self.simple.is_empty() && self.literals.is_empty();
        nothing && !self.any && self.elements.is_empty() && self.objects.is_empty()
    }
}

impl<'a> Object<'a> {
    /// What must be there.
    pub(crate) fn required(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().filter(|(_, member)| member.required).map(|(name, _)| *name)
    }

    /// What tells it from the other objects of a union: the member that has one value only, or what must be there.
    pub(crate) fn tag(&self) -> String {
        let tags = self.required().filter_map(|name| {
            let value = self.members[name].schema.alternatives();
            let literal = value.literals.first().filter(|_| value.literals.len() == 1 && value.simple.is_empty());
            literal.map(|literal| format!("{name}: {literal}"))
        });
        let tag = tags.min_by_key(|tag| !tag.starts_with("type:"));
        tag.unwrap_or_else(|| self.required().collect::<Vec<_>>().join(", "))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
