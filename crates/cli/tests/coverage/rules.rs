//! What the comparison makes of small schemas.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::compare::{Comparer, Kind, Side, Verdict};
use crate::shape::Schema;

/// Compares two files; with the verdict, whether it may break a client, and the differences at the top.
fn compare(side: Side, reference: &Value, ours: &Value) -> (Verdict, bool, Vec<(Kind, String)>) {
    let mut comparer = Comparer::new(side);
    let differences = comparer.message(Schema::file(reference), Schema::file(ours));
    let (verdict, breaks) = comparer.verdict(&differences);
    (verdict, breaks, differences.found.into_iter().collect())
}

fn found(kind: Kind, place: &str) -> Vec<(Kind, String)> {
    vec![(kind, place.to_owned())]
}

/// An object with one member, required.
fn with(name: &str, schema: Value) -> Value {
    json!({ "type": "object", "properties": { name: schema }, "required": [name] })
}

#[test]
fn order_titles_and_the_spelling_of_unions_do_not_matter() {
    let reference = json!({ "title": "A", "type": "object", "properties": { "a": { "type": ["string", "null"] } } });
    let ours = json!({
        "properties": { "a": { "$ref": "#/definitions/B" } },
        "definitions": { "B": { "anyOf": [{ "type": "null" }, { "type": "string", "minLength": 1 }] } },
    });
    assert_eq!(compare(Side::Reads, &reference, &ours), (Verdict::Same, false, vec![]));
}

#[test]
fn a_value_less_breaks_who_sends_it_and_nobody_who_waits_for_it() {
    let (two, one) = (json!({ "enum": ["a", "b"] }), json!({ "oneOf": [{ "enum": ["a"] }] }));
    let (reference, ours) = (with("m", two), with("m", one));
    assert_eq!(compare(Side::Reads, &reference, &ours), (Verdict::Narrower, true, found(Kind::Refused, "m = b")));
    assert_eq!(compare(Side::Writes, &reference, &ours), (Verdict::Narrower, false, found(Kind::NeverSaid, "m = b")));
    assert_eq!(compare(Side::Reads, &ours, &reference), (Verdict::Wider, false, found(Kind::AlsoTaken, "m = b")));
    assert_eq!(compare(Side::Writes, &ours, &reference), (Verdict::Wider, true, found(Kind::NewValue, "m = b")));
}

#[test]
fn a_member_less_is_missed_by_who_was_promised_it() {
    let (reference, ours) = (with("m", json!({ "type": "string" })), json!({ "type": "object" }));
    assert_eq!(compare(Side::Reads, &reference, &ours), (Verdict::Narrower, false, found(Kind::NotRead, "m")));
    assert_eq!(compare(Side::Writes, &reference, &ours), (Verdict::Wider, true, found(Kind::Missing, "m")));
    assert_eq!(compare(Side::Reads, &ours, &reference), (Verdict::Narrower, true, found(Kind::MustBeGiven, "m")));
    assert_eq!(compare(Side::Writes, &ours, &reference), (Verdict::Wider, false, found(Kind::Added, "m")));
}

#[test]
fn a_member_that_may_be_left_out_is_a_promise_less() {
    let reference = with("m", json!({ "type": "string" }));
    let ours = json!({ "type": "object", "properties": { "m": { "type": "string" } } });
    assert_eq!(compare(Side::Reads, &reference, &ours), (Verdict::Wider, false, found(Kind::MayBeLeftOut, "m")));
    assert_eq!(compare(Side::Writes, &reference, &ours), (Verdict::Wider, true, found(Kind::MayBeAbsent, "m")));
    assert_eq!(compare(Side::Writes, &ours, &reference), (Verdict::Narrower, false, found(Kind::AlwaysSaid, "m")));
}

#[test]
fn our_own_additions_do_not_count() {
    let ours = with("valet", json!({ "type": "string" }));
    assert_eq!(compare(Side::Writes, &json!({ "type": "object" }), &ours), (Verdict::Same, false, vec![]));
}

#[test]
fn an_open_enum_is_told_from_a_free_text() {
    let closed = json!({ "enum": ["a"] });
    let open = json!({ "anyOf": [{ "enum": ["a"] }, { "type": "string" }] });
    assert_eq!(compare(Side::Writes, &closed, &open), (Verdict::Wider, false, found(Kind::Open, "any text")));
    assert_eq!(compare(Side::Writes, &json!({ "type": "string" }), &open), (Verdict::Same, false, vec![]));
    assert_eq!(
        compare(Side::Reads, &json!({ "type": "string" }), &closed),
        (Verdict::Narrower, true, found(Kind::Refused, "other texts"))
    );
}

#[test]
fn the_objects_of_a_union_are_matched_by_their_tags() {
    let variant = |tag: &str| json!({ "properties": { "type": { "enum": [tag] }, tag: true }, "required": ["type"] });
    let reference = json!({ "oneOf": [variant("a"), variant("b")] });
    let part = json!({ "properties": { "b": true, "c": true } });
    let ours = json!({
        "oneOf": [{ "allOf": [{ "$ref": "#/definitions/P" }], "properties": { "type": { "enum": ["b"] } }, "required": ["type"] }],
        "definitions": { "P": part },
    });
    let (verdict, breaks, found) = compare(Side::Reads, &reference, &ours);
    assert_eq!((verdict, breaks), (Verdict::Other, true));
    let expected = [(Kind::Refused, "{type: a}"), (Kind::AlsoRead, "(type: b).c")];
    assert_eq!(found, expected.map(|(kind, place)| (kind, place.to_owned())));
}

#[test]
fn several_forms_under_one_tag_are_told_apart_by_what_they_must_have() {
    let by = |name: &str| json!({ "properties": { name: true }, "required": [name] });
    let image = |forms: Vec<Value>| json!({ "properties": { "type": { "enum": ["image"] } }, "required": ["type"], "anyOf": forms });
    let text = json!({ "properties": { "type": { "enum": ["text"] } }, "required": ["type"] });
    let reference = json!({ "oneOf": [text, image(vec![by("url"), by("file")])] });
    let ours = json!({ "oneOf": [text, image(vec![by("url")])] });
    let expected = (Verdict::Narrower, true, found(Kind::Refused, "{type: image; file, type}"));
    assert_eq!(compare(Side::Reads, &reference, &ours), expected);
}

#[test]
fn a_list_that_is_always_empty_says_less() {
    let list = |rest: Value| json!({ "type": "array", "items": { "type": "string" }, "maxItems": rest });
    let (reference, ours) = (with("m", list(Value::Null)), with("m", list(0.into())));
    let expected = (Verdict::Narrower, false, found(Kind::NeverSaid, "m[] = anything"));
    assert_eq!(compare(Side::Writes, &reference, &ours), expected);
}

#[test]
fn types_that_hold_themselves_are_compared_once() {
    let tree = |kind: &str| {
        json!({
            "properties": { "top": { "$ref": "#/definitions/Tree" } },
            "definitions": { "Tree": { "properties": {
                "value": { "type": kind },
                "below": { "type": "array", "items": { "$ref": "#/definitions/Tree" } },
            } } },
        })
    };
    let mut comparer = Comparer::new(Side::Writes);
    let (reference, ours) = (tree("integer"), tree("number"));
    let differences = comparer.message(Schema::file(&reference), Schema::file(&ours));
    assert_eq!(differences.found.len(), 0);
    assert_eq!(comparer.verdict(&differences), (Verdict::Wider, true));
    let types: Vec<_> = comparer.types["Tree"].found.iter().cloned().collect();
    assert_eq!(types, found(Kind::NewValue, "value = number"));
}
