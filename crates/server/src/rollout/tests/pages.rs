//! Pages: whatever their size, together they are the whole.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::v2;
use valet_store::{Direction, Lines, StoreError};

use super::super::cursor::{Asked, Page};
use super::super::pages::{Entry, at_the_end, items, items_next_to, turns};
use super::super::turns::Turns;
use super::{Log, answered, said, turn};

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A log of turns with as many items as the dice say, and with what else is in logs.
fn log(dice: &mut Dice, count: usize) -> Log {
    let mut log = Log::new();
    for number in 0..count {
        let id = format!("turn-{number}-");
        log.begin(&id);
        log.value("turn_context", &json!({ "cwd": "/p", "says": "\"task_started\" and \"event_msg\"" }));
        for item in 0..dice.below(5) {
            let id_of_item = format!("{id}{item}");
            let item =
                if dice.below(2) == 0 { said(&id_of_item, "\"item_completed\"") } else { answered(&id_of_item, "b") };
            log.item(&id, &item);
            log.value("response_item", &json!({ "type": "message", "text": "x".repeat(dice.below(200) as usize) }));
            log.text("{\"torn");
        }
        if number + 1 < count || dice.below(2) == 0 {
            log.ended(&turn(&id, Vec::new()));
        }
    }
    log
}

fn asked(cursor: Option<&str>, limit: u32, direction: Direction) -> Asked<'_> {
    Asked { cursor, limit: Some(limit), direction }
}

/// Turns page after page.
fn walk<T>(dice: &mut Dice, mut page: impl FnMut(Option<&str>, u32) -> Page<T>) -> Vec<T> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let limit = 1 + dice.below(4) as u32;
        let page = page(cursor.as_deref(), limit);
        assert!(page.data.len() <= limit as usize);
        assert!(page.next.is_none() || page.data.len() == limit as usize);
        all.extend(page.data);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}

#[test]
fn all_pages_together_are_all_turns_in_both_directions() {
    let mut dice = Dice(1);
    for count in 0..20 {
        let log = log(&mut dice, count);
        let all = Turns::all(&log, Some("turn-3-")).unwrap();
        assert_eq!(all.len(), count);
        let page = |direction| {
            let log = &log;
            move |cursor: Option<&str>, limit| {
                turns(log, asked(cursor, limit, direction), &v2::TurnItemsView::Full, Some("turn-3-")).unwrap()
            }
        };
        assert_eq!(walk(&mut dice, page(Direction::Forward)), all);
        let mut backward = walk(&mut dice, page(Direction::Backward));
        backward.reverse();
        assert_eq!(backward, all);
    }
}

#[test]
fn all_pages_together_are_all_items_in_both_directions() {
    let mut dice = Dice(2);
    for count in 0..12 {
        let log = log(&mut dice, count);
        let all: Vec<Entry> = Turns::all(&log, None)
            .unwrap()
            .into_iter()
            .flat_map(|turn| turn.items.into_iter().map(move |item| Entry { turn_id: turn.id.clone(), item }))
            .collect();
        let turns = (0..count).map(|number| Some(format!("turn-{number}-")));
        for turn in turns.chain([None]) {
            let turn = turn.as_deref();
            let of_turn: Vec<_> =
                all.iter().filter(|entry| turn.is_none_or(|turn| entry.turn_id == turn)).cloned().collect();
            let page = |direction| {
                let log = &log;
                move |cursor: Option<&str>, limit| items(log, asked(cursor, limit, direction), turn).unwrap()
            };
            assert_eq!(walk(&mut dice, page(Direction::Forward)), of_turn);
            let mut backward = walk(&mut dice, page(Direction::Backward));
            backward.reverse();
            assert_eq!(backward, of_turn);
        }
    }
}

fn five() -> Log {
    let mut log = Log::new();
    for id in ["a", "b", "c", "d", "e"] {
        log.begin(id);
        let items = ["1", "2", "3"].map(|number| format!("{id}{number}"));
        log.item(id, &said(&items[0], "q"));
        log.item(id, &answered(&items[1], "on the way"));
        log.item(id, &answered(&items[2], "there"));
        log.ended(&turn(id, Vec::new()));
    }
    log
}

fn page(log: &Log, cursor: Option<&str>, limit: u32, direction: Direction) -> (Vec<String>, Page<v2::Turn>) {
    let page = turns(log, asked(cursor, limit, direction), &v2::TurnItemsView::Summary, None).unwrap();
    (page.data.iter().map(|turn| turn.id.clone()).collect(), page)
}

#[test]
fn who_turns_round_meets_the_first_of_the_page_again() {
    let log = five();
    let (ids, first) = page(&log, None, 2, Direction::Backward);
    assert_eq!(ids, ["e", "d"]);
    let (ids, second) = page(&log, first.next.as_deref(), 2, Direction::Backward);
    assert_eq!(ids, ["c", "b"]);
    let back = second.backwards.as_deref();
    assert_eq!(page(&log, back, 9, Direction::Forward).0, ["c", "d", "e"]);
    assert_eq!(page(&log, back, 2, Direction::Backward).0, ["c", "b"]);
    assert_eq!(page(&log, second.next.as_deref(), 9, Direction::Forward).0, ["c", "d", "e"]);
    let (turn, item) = at_the_end(&log).unwrap();
    assert_eq!(page(&log, turn.as_deref(), 1, Direction::Backward).0, ["e"]);
    let last = items(&log, asked(item.as_deref(), 2, Direction::Backward), None).unwrap();
    assert_eq!(last.data.iter().map(|entry| entry.item.id().unwrap()).collect::<Vec<_>>(), ["e3", "e2"]);
    assert_eq!(at_the_end(&Log::new()).unwrap(), (None, None));
}

#[test]
fn a_summary_has_what_was_asked_first_and_answered_last() {
    let log = five();
    let of = |view| turns(&log, asked(None, 1, Direction::Forward), &view, None).unwrap().data.remove(0);
    let summary = of(v2::TurnItemsView::Summary);
    assert_eq!(summary.items, [said("a1", "q"), answered("a3", "there")]);
    assert_eq!(summary.items_view, v2::TurnItemsView::Summary);
    assert_eq!(of(v2::TurnItemsView::NotLoaded).items, []);
    assert_eq!(of(v2::TurnItemsView::Full).items.len(), 3);
}

#[test]
fn the_limit_is_25_unless_somebody_says_and_between_1_and_100() {
    let mut log = Log::new();
    (0..120).for_each(|number| log.begin(&number.to_string()));
    for (limit, count) in [(None, 25), (Some(0), 1), (Some(1000), 100)] {
        let asked = Asked { cursor: None, limit, direction: Direction::Backward };
        assert_eq!(turns(&log, asked, &v2::TurnItemsView::Full, None).unwrap().data.len(), count);
    }
}

#[test]
fn a_page_ends_when_it_is_large() {
    let mut log = Log::new();
    for id in ["a", "b", "c"] {
        log.begin(id);
        log.item(id, &answered("m", &"x".repeat(3 * 1024 * 1024)));
    }
    for (direction, ids) in [(Direction::Forward, ["a", "b"]), (Direction::Backward, ["c", "b"])] {
        let (on_first, first) = page(&log, None, 9, direction);
        assert_eq!(on_first, ids);
        let (on_second, second) = page(&log, first.next.as_deref(), 9, direction);
        assert_eq!((on_second.len(), second.next), (1, None));
    }
    let first = items(&log, asked(None, 9, Direction::Forward), None).unwrap();
    assert_eq!(first.data.len(), 2);
    assert!(first.next.is_some());
}

#[test]
fn a_cursor_may_be_an_item_of_the_turn() {
    let log = five();
    let of = |item, direction| items_next_to(&log, asked(None, 9, direction), "c", item).unwrap();
    let ids = |page: Option<Page<Entry>>| {
        let ids = |page: Page<Entry>| page.data.iter().map(|entry| entry.item.id().unwrap().to_owned()).collect();
        page.map(ids).unwrap_or_else(|| vec!["nothing".to_owned()])
    };
    assert_eq!(ids(of("c2", Direction::Forward)), ["c3"]);
    assert_eq!(ids(of("c2", Direction::Backward)), ["c1"]);
    assert_eq!(ids(of("c3", Direction::Forward)), [""; 0]);
    assert_eq!(ids(of("d1", Direction::Forward)), ["nothing"]);
}

#[test]
fn a_cursor_that_was_not_made_here_is_refused() {
    let log = five();
    let of_items = items(&log, asked(None, 1, Direction::Forward), None).unwrap().next.unwrap();
    for cursor in ["", "t", "t:", "t:x", "t:-1", "zzz", "é=1", &of_items] {
        let refused = turns(&log, asked(Some(cursor), 1, Direction::Forward), &v2::TurnItemsView::Full, None);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::InvalidCursor(_)), "{cursor}");
        assert_eq!(refused.to_string(), format!("invalid cursor: {cursor}"));
    }
    // The log was cut since: there is nothing behind it, and all of it before it.
    assert_eq!(page(&log, Some("t:99999999"), 9, Direction::Forward).0, [""; 0]);
    assert_eq!(page(&log, Some("t=99999999"), 9, Direction::Backward).0, ["e", "d", "c", "b", "a"]);
}

#[test]
fn pages_of_an_old_log_are_pages_of_its_turns() {
    let mut log = Log::default();
    log.value("session_meta", &json!({}));
    (0..7).for_each(|number| log.value("event_msg", &json!({ "type": "user_message", "message": number.to_string() })));
    let all = Turns::all(&log, None).unwrap();
    assert_eq!(all.len(), 7);
    let mut dice = Dice(3);
    let page = |direction| {
        let log: &dyn Lines = &log;
        move |cursor: Option<&str>, limit| {
            turns(log, asked(cursor, limit, direction), &v2::TurnItemsView::Full, None).unwrap()
        }
    };
    assert_eq!(walk(&mut dice, page(Direction::Forward)), all);
    let mut backward = walk(&mut dice, page(Direction::Backward));
    backward.reverse();
    assert_eq!(backward, all);
}
