//! A turn that says one piece of text at a time, each when it is told to, heard by as many as are wanted. What is
//! between the backend's bytes and the listeners is the host alone: for whoever measures what it does with a piece.

mod backend;
mod listener;

use valet_protocol::methods as m;
use valet_protocol::v2;

use crate::host::TestHost;
use backend::Backend;
use listener::Listener;

/// A turn that goes on until it is ended.
pub struct SteppedTurn {
    host: TestHost,
    backend: Backend,
    listeners: Vec<Listener>,
}

impl SteppedTurn {
    /// Starts a host, and a turn of which so many hear.
    pub async fn start(listeners: usize) -> Self {
        let backend = Backend::start();
        let host = TestHost::builder()
            .provider("requires_openai_auth = false")
            .with(&format!("model_providers.sim.base_url=\"{}\"", backend.base_url()))
            .start()
            .await;
        let mut first = Listener::connect(&host).await;
        let thread_id = first.call::<m::ThreadStart>(v2::ThreadStartParams::default()).await.thread.id;
        let input = vec![v2::UserInput::Text { text: "go on".to_owned(), text_elements: Vec::new() }];
        let params = v2::TurnStartParams { thread_id: thread_id.clone(), input, ..Default::default() };
        first.call::<m::TurnStart>(params).await;
        let mut turn = Self { host, backend, listeners: vec![first] };
        // Who joins in the middle hears all that follows.
        turn.delta().await;
        while turn.listeners.len() < listeners {
            let mut next = Listener::connect(&turn.host).await;
            let params = v2::ThreadResumeParams { thread_id: thread_id.clone(), ..Default::default() };
            next.call::<m::ThreadResume>(params).await;
            turn.listeners.push(next);
        }
        turn
    }

    /// The backend says one more piece; returns when every listener has it.
    pub async fn delta(&mut self) {
        self.backend.say_more();
        for listener in &mut self.listeners {
            listener.told::<m::AgentMessageDelta>().await;
        }
    }

    /// Ends the turn and the host.
    pub async fn end(mut self) {
        self.backend.say_no_more();
        for listener in &mut self.listeners {
            listener.told::<m::TurnCompleted>().await;
        }
        self.host.shutdown().await;
    }
}
