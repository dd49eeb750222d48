//! Two hosts on one home: one writes a thread, both read and list everything, and what one dies of holds up nobody.

use std::path::Path;
use std::time::Duration;

use pretty_assertions::assert_eq;
use tokio::task::JoinSet;
use valet_client::RequestError;
use valet_protocol::{methods as m, v2};
use valet_sim::Script;

use super::{Host, backend, home, is_whole, messages, resuming, rollouts, says};
use crate::support::in_time;

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_has_one_writer_and_readers_in_every_host() {
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let (mut first, mut second) = (Host::start(home.path()).await, Host::start(home.path()).await);
    let id = first.thread().await.id;
    first.turn(&id, "one").await;

    let error = second.refused::<m::ThreadResume>(resuming(&id)).await;
    assert_eq!((error.code, error.message), (-32600, format!("thread {id} already has an active writer")));
    let holder = &error.data.unwrap()["holder"];
    assert_eq!(holder["pid"], first.pid());
    let archive = second.refused::<m::ThreadArchive>(v2::ThreadArchiveParams { thread_id: id.clone() }).await;
    let delete = second.refused::<m::ThreadDelete>(v2::ThreadDeleteParams { thread_id: id.clone() }).await;
    for error in [archive, delete] {
        assert!(error.message.ends_with("already has an active writer"), "{}", error.message);
    }
    let error = second.refused::<m::TurnStart>(says(&id, "two")).await;
    assert_eq!(error.message, format!("thread not found: {id}"));
    for host in [&first, &second] {
        assert_eq!(messages(&host.read(&id).await.turns), ["user: one", "agent: Yes."]);
        assert_eq!(host.listed().await, [id.as_str()]);
    }

    // What the first goes on to say, the second reads at once; and the other way round, once it may write.
    first.turn(&id, "two").await;
    assert_eq!(second.read(&id).await.turns.len(), 2);
    let unsubscribe = v2::ThreadUnsubscribeParams { thread_id: id.clone() };
    first.ask::<m::ThreadUnsubscribe>(unsubscribe).await;
    assert_eq!(second.resume(&id).await.turns.len(), 2);
    assert_eq!(second.turn(&id, "three").await.status, v2::TurnStatus::Completed);
    assert_eq!(first.read(&id).await.turns.len(), 3);
    // The first has an old picture in memory. It does not write on from there.
    let error = first.refused::<m::ThreadResume>(resuming(&id)).await;
    assert_eq!(error.data.unwrap()["holder"]["pid"], second.pid());
    second.end().await;
    assert_eq!(first.resume(&id).await.turns.len(), 3);
    assert_eq!(first.turn(&id, "four").await.status, v2::TurnStatus::Completed);
    first.end().await;
    assert!(rollouts(home.path()).iter().all(|log| is_whole(log)));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_new_threads_of_one_host_are_in_the_others_list() {
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let (mut first, mut second) = (Host::start(home.path()).await, Host::start(home.path()).await);
    let mut ids = Vec::new();
    for number in 0..4 {
        let host = if number % 2 == 0 { &mut first } else { &mut second };
        let id = host.thread().await.id;
        host.turn(&id, &format!("needle{number}x")).await;
        let name = format!("Name {number}");
        host.ask::<m::ThreadNameSet>(v2::ThreadSetNameParams { thread_id: id.clone(), name }).await;
        ids.insert(0, id);
        for host in [&first, &second] {
            let rows = host.rows().await;
            assert_eq!(rows.iter().map(|row| &row.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
            let names: Vec<_> = rows.into_iter().map(|row| row.name.unwrap()).collect();
            assert_eq!(names, (0..=number).rev().map(|number| format!("Name {number}")).collect::<Vec<_>>());
            assert_eq!(host.found(&format!("NEEDLE{number}x")).await, ids[..1]);
        }
    }
    // A name may come from a host that does not have the thread.
    let name = v2::ThreadSetNameParams { thread_id: ids[0].clone(), name: "Another".to_owned() };
    first.ask::<m::ThreadNameSet>(name).await;
    assert_eq!(second.read(&ids[0]).await.name.as_deref(), Some("Another"));
    assert_eq!(second.rows().await[0].name.as_deref(), Some("Another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_host_is_killed_another_takes_its_threads_up_at_once() {
    let slow =
        valet_sim::Response::new().chunks(valet_sim::Chunks::repeat("word ", 1000).every(Duration::from_millis(20)));
    let sim = backend(Script::new().rule(valet_sim::Rule::when("slow").respond(slow))).await;
    let home = home(&sim);
    let (mut first, mut second) = (Host::start(home.path()).await, Host::start(home.path()).await);
    let id = first.thread().await.id;
    first.turn(&id, "one").await;
    first.begin(&id, "slow").await;
    crate::probe::first_words(&mut first.told).await;
    let running = second.read(&id).await.turns.pop().unwrap();
    // Only its own host knows that it runs.
    assert_eq!(running.status, v2::TurnStatus::Interrupted);
    first.kill().await;
    let turns = second.resume(&id).await.turns;
    assert_eq!(messages(&turns), ["user: one", "agent: Hello from the sim.", "user: slow"]);
    assert_eq!(turns[1].status, v2::TurnStatus::Interrupted);
    assert_eq!(second.turn(&id, "again").await.status, v2::TurnStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_list_and_search_while_others_write_are_never_told_that_the_index_is_busy() {
    const HOSTS: usize = 3;
    const TURNS: usize = 8;
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let mut tasks = JoinSet::new();
    for number in 0..HOSTS {
        let home = home.path().to_owned();
        tasks.spawn(async move { writes_and_lists(&home, number, TURNS).await });
    }
    let mut ids: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    ids.sort();
    let host = Host::start(home.path()).await;
    let mut listed = host.listed().await;
    listed.sort();
    assert_eq!(listed, ids);
    assert_eq!(ids.len(), HOSTS * TURNS / 2);
}

/// Takes two turns in each of its threads, and asks for lists all the while.
async fn writes_and_lists(home: &Path, number: usize, turns: usize) -> Vec<String> {
    let mut host = Host::start(home).await;
    let client = host.client.clone();
    let asking = tokio::spawn(async move {
        let mut asked = 0;
        loop {
            let list = client.request::<m::ThreadList>(v2::ThreadListParams::default());
            match in_time(list).await {
                Ok(_) => asked += 1,
                Err(RequestError::Disconnected) => return asked,
                Err(error) => panic!("a list failed: {error}"),
            }
            let params = v2::ThreadSearchParams { search_term: "needle".to_owned(), ..Default::default() };
            match in_time(client.request::<m::ThreadSearch>(params)).await {
                Ok(_) => asked += 1,
                Err(RequestError::Disconnected) => return asked,
                Err(error) => panic!("a search failed: {error}"),
            }
        }
    });
    let mut ids = Vec::new();
    for turn in 0..turns {
        if turn % 2 == 0 {
            ids.push(host.thread().await.id);
        }
        let id = ids.last().unwrap();
        let ended = host.turn(id, &format!("needle {number} {turn}")).await;
        assert_eq!(ended.status, v2::TurnStatus::Completed);
        let name = v2::ThreadSetNameParams { thread_id: id.clone(), name: format!("{number} {turn}") };
        host.ask::<m::ThreadNameSet>(name).await;
    }
    host.kill().await;
    assert!(asking.await.unwrap() > turns);
    ids
}
