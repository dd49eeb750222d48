//! The calls of a response, put together from fragments. The rule is: one index, one call, which is named once. Where
//! a server has another rule, what is named tells the calls apart.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use uuid::Uuid;

use super::chunk::Fragment;
use super::tools;

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    arguments: String,
}

impl Calls {
    /// Adds a fragment to its call.
    pub(super) fn add(&mut self, fragment: Fragment<'_>) {
        let function = fragment.function.unwrap_or_default();
        let id = fragment.id.filter(|id| !id.is_empty());
        let name = function.name.as_deref().filter(|name| !name.is_empty());
        let same = match (fragment.index, &id) {
            (Some(index), _) => self.0.iter().rposition(|call| call.index == Some(index)),
            (None, Some(id)) => {
                let named = self.0.iter().rposition(|call| call.id.as_ref() == Some(id));
                named.or(self.0.len().checked_sub(1))
            }
            (None, None) => self.0.len().checked_sub(1),
        };
        let arguments = function.arguments();
        match same.map(|position| &mut self.0[position]) {
            Some(call) if !call.is_followed_by(id.as_deref(), name) => {
                call.arguments.push_str(&arguments);
                call.id = call.id.take().or(id);
                if call.name.is_empty() {
                    call.name.extend(name);
                }
            }
            _ => self.0.push(Call {
                index: fragment.index,
                id,
                name: name.unwrap_or_default().to_owned(),
                arguments: arguments.into_owned(),
            }),
        }
    }

    /// The calls as items, in the order in which they began.
    pub(super) fn into_items(self, freeform: &[String]) -> impl Iterator<Item = Box<RawValue>> {
        // A JSON value always serialises.
        self.0.into_iter().filter_map(|call| to_raw_value(&call.into_item(freeform)).ok())
    }
}

impl Call {
    /// Whether a fragment with this id and name begins another call. Without a name it never does: some servers give
    /// each fragment an id of its own.
    fn is_followed_by(&self, id: Option<&str>, name: Option<&str>) -> bool {
        let Some(name) = name.filter(|_| !self.name.is_empty()) else { return false };
        let another_id = id.zip(self.id.as_deref()).is_some_and(|(id, before)| id != before);
        let whole = || id.is_none() && serde_json::from_str::<&RawValue>(&self.arguments).is_ok();
        name != self.name || another_id || whole()
    }

    /// Servers number their calls anew in each response, or not at all: the call gets an id of ours, and theirs is
    /// kept in the place where the Responses API has its own.
    fn into_item(self, freeform: &[String]) -> Value {
        let name = if self.name.is_empty() { "unreadable".to_owned() } else { self.name };
        let call_id = format!("call_{}", Uuid::now_v7().simple());
        let mut item = if freeform.contains(&name) {
            let input = tools::input(&self.arguments);
            json!({ "type": "custom_tool_call", "call_id": call_id, "name": name, "input": input })
        } else {
            let arguments = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
            json!({ "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments })
        };
        if let Some(id) = self.id {
            item["id"] = id.into();
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use pretty_assertions::assert_eq;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    use super::Calls;

    /// The calls of these fragments: the server's id, the name, and the arguments.
    fn calls(fragments: &[Value]) -> Vec<(Option<String>, String, String)> {
        let mut calls = Calls::default();
        for fragment in fragments {
            let text = fragment.to_string();
            calls.add(serde_json::from_str(&text).unwrap());
        }
        let items = calls.into_items(&[]).map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        items.map(|item| (text(&item["id"]), text(&item["name"]).unwrap(), text(&item["arguments"]).unwrap())).collect()
    }

    fn call(id: Option<&str>, name: &str, arguments: &str) -> (Option<String>, String, String) {
        (id.map(str::to_owned), name.to_owned(), arguments.to_owned())
    }

    fn named(index: Value, id: Value, name: &str, arguments: Value) -> Value {
        json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
    }

    fn more(index: Value, arguments: &str) -> Value {
        json!({ "index": index, "function": { "arguments": arguments } })
    }

    const NULL: Value = Value::Null;

    #[test]
    fn fragments_of_several_calls_may_interleave() {
        let fragments = [
            named(0.into(), "a".into(), "ls", "".into()),
            named(1.into(), "b".into(), "cat", "".into()),
            more(1.into(), "{\"f\":"),
            more(0.into(), "{\"d\":1"),
            more(1.into(), "2}"),
            more(0.into(), "}"),
        ];
        assert_eq!(calls(&fragments), [call(Some("a"), "ls", "{\"d\":1}"), call(Some("b"), "cat", "{\"f\":2}")]);
    }

    #[test]
    fn an_id_and_a_name_that_are_repeated_are_no_other_call() {
        let fragments = [
            named(0.into(), "a".into(), "ls", "{".into()),
            named(0.into(), "a".into(), "ls", "\"x\":1".into()),
            named(0.into(), "a".into(), "", "}".into()),
        ];
        assert_eq!(calls(&fragments), [call(Some("a"), "ls", "{\"x\":1}")]);
        let without_index = fragments.map(|mut fragment| {
            fragment["index"] = NULL;
            fragment
        });
        assert_eq!(calls(&without_index), [call(Some("a"), "ls", "{\"x\":1}")]);
    }

    #[test]
    fn an_id_that_is_new_with_each_fragment_is_no_other_call() {
        let mut second = more(0.into(), "}");
        second["id"] = "b".into();
        assert_eq!(calls(&[named(0.into(), "a".into(), "ls", "{".into()), second]), [call(Some("a"), "ls", "{}")]);
    }

    #[test]
    fn calls_without_an_index_are_told_apart_by_what_is_named() {
        let by_id = [
            named(NULL, "a".into(), "ls", "{\"x\":1}".into()),
            named(NULL, "b".into(), "ls", "{\"x\":".into()),
            more(NULL, "2}"),
        ];
        assert_eq!(calls(&by_id), [call(Some("a"), "ls", "{\"x\":1}"), call(Some("b"), "ls", "{\"x\":2}")]);
        let by_name = [named(NULL, NULL, "ls", NULL), named(NULL, NULL, "cat", "{}".into())];
        assert_eq!(calls(&by_name), [call(None, "ls", "{}"), call(None, "cat", "{}")]);
        let by_their_end = [named(NULL, NULL, "ls", "{\"x\":1}".into()), named(NULL, NULL, "ls", "{\"x\":2}".into())];
        assert_eq!(calls(&by_their_end), [call(None, "ls", "{\"x\":1}"), call(None, "ls", "{\"x\":2}")]);
    }

    #[test]
    fn calls_that_all_have_the_index_0_are_told_apart_by_their_ids() {
        let fragments =
            [named(0.into(), "a".into(), "ls", "{\"x\":1}".into()), named(0.into(), "b".into(), "ls", "{}".into())];
        assert_eq!(calls(&fragments), [call(Some("a"), "ls", "{\"x\":1}"), call(Some("b"), "ls", "{}")]);
    }

    #[test]
    fn arguments_may_be_missing_empty_or_no_text() {
        let fragments = [
            named(0.into(), "a".into(), "ls", NULL),
            named(1.into(), "".into(), "ls", " ".into()),
            named(2.into(), "c".into(), "ls", json!({ "x": 1 })),
            json!({ "index": 3, "id": "d" }),
        ];
        let expected = [
            call(Some("a"), "ls", "{}"),
            call(None, "ls", "{}"),
            call(Some("c"), "ls", "{\"x\":1}"),
            call(Some("d"), "unreadable", "{}"),
        ];
        assert_eq!(calls(&fragments), expected);
    }

    /// Calls as a server makes them: a name, and arguments that are an object.
    fn made() -> impl Strategy<Value = Vec<(String, String)>> {
        let arguments =
            proptest::collection::btree_map("[a-z]{1,3}", ".{0,8}", 0..4).prop_map(|map| json!(map).to_string());
        proptest::collection::vec(("[a-c]{1,2}", arguments), 1..5)
    }

    proptest! {
        /// Each call is cut where the sizes say, and the turns say which call comes next.
        #[test]
        fn however_fragments_are_cut_and_mixed_the_calls_are_the_same(
            made in made(),
            sizes in proptest::collection::vec(1..6_usize, 1..8),
            turns in proptest::collection::vec(0..5_usize, 0..200),
            repeats in any::<bool>(),
        ) {
            let mut fragments: Vec<VecDeque<Value>> = Vec::new();
            for (index, (name, arguments)) in made.iter().enumerate() {
                let mut rest = arguments.chars().peekable();
                let mut pieces = VecDeque::from([named(index.into(), format!("id-{index}").into(), name, "".into())]);
                let mut sizes = sizes.iter().cycle();
                while rest.peek().is_some() {
                    let piece: String = rest.by_ref().take(*sizes.next().unwrap()).collect();
                    let again = || named(index.into(), format!("id-{index}").into(), name, piece.clone().into());
                    pieces.push_back(if repeats { again() } else { more(index.into(), &piece) });
                }
                fragments.push(pieces);
            }
            let mut mixed: Vec<Value> = fragments.iter_mut().filter_map(VecDeque::pop_front).collect();
            for turn in turns {
                let turn = turn % fragments.len();
                mixed.extend(fragments[turn].pop_front());
            }
            mixed.extend(fragments.into_iter().flatten());
            let expected = made.iter().enumerate().map(|(index, (name, arguments))| {
                call(Some(&format!("id-{index}")), name, arguments)
            });
            prop_assert_eq!(calls(&mixed), expected.collect::<Vec<_>>());
        }
    }
}
