//! An object of JSON in which a few members are read and replaced. All others keep their order and their bytes.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The members in order, borrowed from the text.
#[derive(Default)]
pub(super) struct Document<'a>(Vec<(Cow<'a, str>, Member<'a>)>);

enum Member<'a> {
    /// As it is in the text.
    Kept(&'a RawValue),
    /// New. It may hold a token.
    New(Zeroizing<String>),
}

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// A member as its text.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        // The last one counts, as it does for others who read the file.
        let member = self.0.iter().rfind(|(known, _)| known == name);
        member.map(|(_, member)| member.text()).filter(|text| *text != "null")
    }

    /// A member; None also stands for null and for what is of another type.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// Puts a member in the place of the old one, or at the end.
    pub(super) fn set(&mut self, name: &'static str, value: &impl Serialize) -> serde_json::Result<()> {
        self.set_raw(name, Zeroizing::new(serde_json::to_string(value)?));
        Ok(())
    }

    pub(super) fn set_raw(&mut self, name: &'static str, text: Zeroizing<String>) {
        let known = self.0.iter().rposition(|(known, _)| known == name);
        match known.and_then(|position| self.0.get_mut(position)) {
            Some((_, member)) => *member = Member::New(text),
            None => self.0.push((name.into(), Member::New(text))),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// One member a line, as the reference writes its file; so deep in others.
    pub(super) fn to_text(&self, depth: usize) -> Zeroizing<String> {
        let indent = "  ".repeat(depth);
        let mut text = Zeroizing::new(String::from("{"));
        for (index, (name, member)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let name = serde_json::Value::from(name.as_ref());
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}\n{indent}  {name}: {}", member.text());
        }
        let _ = write!(text, "\n{indent}}}");
        text
    }
}

impl Member<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Kept(raw) => raw.get(),
            Self::New(text) => text,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    members.push((name, Member::Kept(value)));
                }
                Ok(Document(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::Document;
    use pretty_assertions::assert_eq;

    #[test]
    fn what_is_not_replaced_keeps_its_order_and_its_bytes() {
        let text = "{ \"z\": [1,  2.50, 1e400], \"key\": \"old\", \"a\\u0062\": {\"b\" :null} }";
        let mut document = Document::parse(text).unwrap();
        document.set("key", &"new").unwrap();
        document.set("more", &1).unwrap();
        let expected =
            "{\n  \"z\": [1,  2.50, 1e400],\n  \"key\": \"new\",\n  \"ab\": {\"b\" :null},\n  \"more\": 1\n}";
        assert_eq!(document.to_text(0).as_str(), expected);
    }

    #[test]
    fn null_and_other_types_are_no_value() {
        let document = Document::parse(r#"{"a": null, "b": 1}"#).unwrap();
        assert_eq!((document.get::<String>("a"), document.get::<String>("b")), (None, None));
        assert_eq!((document.raw("a"), document.raw("b"), document.raw("c")), (None, Some("1"), None));
    }
}
