//! The host as a websocket server.

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use valet_client::{Client, Handlers, Notifications, connect};
use valet_protocol::{methods as m, v2};
use valet_sim::{Script, Sim, TokenPolicy, TokenRequest};
use valet_tests::{lend, lender};

use crate::listeners;
use crate::support::home;

struct Server {
    server: listeners::Server,
    address: String,
    home: TempDir,
}

async fn start(sim: &Sim) -> Server {
    let home = home(sim);
    let server = listeners::Server::start(home.path(), &["--listen", "ws://127.0.0.1:0"]).await;
    let address = server.url.trim_start_matches("ws://").to_owned();
    Server { server, address, home }
}

impl Server {
    async fn client(&self, handlers: Handlers) -> (Client, Notifications) {
        let link = connect(&format!("ws://{}/rpc", self.address), None).await.unwrap();
        let (client, notifications) = Client::new(link, handlers);
        client.initialize("test", "1", true).await.unwrap();
        (client, notifications)
    }
}

#[tokio::test]
async fn a_file_of_14_mib_can_be_read_over_a_websocket() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let server = start(&sim).await;
    let (client, _notifications) = server.client(Handlers::new()).await;
    let path = server.home.path().join("large");
    std::fs::write(&path, vec![b'a'; 14 << 20]).unwrap();
    let params = v2::FsReadFileParams { path: v2::AbsolutePath::new(&path).unwrap() };
    let read = client.request::<m::FsReadFile>(params).await.unwrap();
    assert_eq!(read.data_base64.len(), (14_usize << 20).div_ceil(3) * 4);
}

#[tokio::test]
async fn a_parent_on_a_websocket_lends_refreshes_and_gets_its_answer() {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let sim = Sim::start(Script::text("Hello.").tokens(policy)).await.unwrap();
    let server = start(&sim).await;
    let (client, mut notifications) = server.client(lender(&sim, |_| TokenRequest::default())).await;
    lend(&client, &sim, TokenRequest::default()).await.unwrap();
    let thread = client.request::<m::ThreadStart>(v2::ThreadStartParams::default()).await.unwrap().thread.id;
    let input = vec![v2::UserInput::Text { text: "hello".to_owned(), text_elements: Vec::new() }];
    let turn = v2::TurnStartParams { thread_id: thread, input, ..Default::default() };
    client.request::<m::TurnStart>(turn).await.unwrap();
    let ended = notifications.wait_for::<m::TurnCompleted>(|_| true).await.unwrap();
    assert_eq!(ended.turn.status, v2::TurnStatus::Completed);
}

#[tokio::test]
async fn one_client_may_leave_and_the_other_goes_on() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let server = start(&sim).await;
    let (first, _) = server.client(Handlers::new()).await;
    let (second, mut told) = server.client(Handlers::new()).await;
    let thread = first.request::<m::ThreadStart>(v2::ThreadStartParams::default()).await.unwrap().thread.id;
    assert_eq!(told.wait_for::<m::ThreadStarted>(|_| true).await.unwrap().thread.id, thread);
    drop(first);
    let loaded = second.request::<m::ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await.unwrap();
    assert_eq!(loaded.data, [thread]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_sigterm_closes_the_connections_and_ends_with_exit_code_0() {
    let sim = Sim::start(Script::new()).await.unwrap();
    let mut server = start(&sim).await;
    let (_client, mut told) = server.client(Handlers::new()).await;
    let ended = server.server.terminate().await;
    while told.next().await.is_some() {}
    assert_eq!(ended, Some(0));
}
