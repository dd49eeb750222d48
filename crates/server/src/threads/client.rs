//! The clients of a thread as the agent knows them: somebody who can be asked. Questions go to those who listen to
//! the thread, the first answer counts, and what cannot be understood refuses.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;
use valet_agent::{Client, ClientAnswer, ClientCall, CommandQuestion, Content, Decision, PatchQuestion, Question};
use valet_protocol::methods as m;
use valet_protocol::{ServerRequestMethod, v2};
use valet_transport::Answer;

use super::ThreadState;
use super::questions::Open;
use crate::convert;
use crate::outgoing::{OutgoingMessageSender, Target};

/// What the model is told when a client's tool answers something else than an answer.
const UNREADABLE: &str = "dynamic tool response was invalid";

pub(super) struct ThreadClient {
    shared: Arc<ThreadState>,
    outgoing: OutgoingMessageSender,
}

impl ThreadClient {
    pub(super) fn new(shared: &Arc<ThreadState>, outgoing: &OutgoingMessageSender) -> Self {
        Self { shared: Arc::clone(shared), outgoing: outgoing.clone() }
    }

    fn thread_id(&self) -> String {
        self.shared.id.clone()
    }

    /// Asks those who listen, and waits for as long as it takes. None: the answer is of no use.
    async fn ask<M: ServerRequestMethod>(&self, params: M::Params, told: bool) -> Option<M::Response> {
        read(self.answer::<M>(params, told).await?)
    }

    /// The answer as it came. None: there is none.
    async fn answer<M: ServerRequestMethod>(&self, params: M::Params, told: bool) -> Option<Answer> {
        let (outgoing, shared) = (self.outgoing.clone(), Arc::clone(&self.shared));
        // In a task of its own: a turn that is stopped in the middle of it still closes what was asked.
        let asking = tokio::spawn(async move {
            let thread = Uuid::parse_str(&shared.id).ok()?;
            let pending = outgoing.send::<M>(Target::Thread(thread), params, None).await?;
            let open = Open::new(shared, pending.id.clone(), told);
            Some((pending, open))
        });
        let (pending, open) = asking.await.ok().flatten()?;
        let answer = tokio::select! {
            answer = pending.answer() => answer,
            () = self.shared.retired() => None,
        };
        open.resolved();
        answer
    }
}

fn read<T: DeserializeOwned>(answer: Answer) -> Option<T> {
    match answer {
        Answer::Result(result) => serde_json::from_str(result.get()).ok(),
        Answer::Error(_) => None,
    }
}

impl Client for ThreadClient {
    fn approve_command<'a>(&'a self, turn_id: &'a str, question: CommandQuestion) -> BoxFuture<'a, Decision> {
        let params = convert::command_question(self.thread_id(), turn_id, question);
        let asked = self.ask::<m::CommandExecutionRequestApproval>(params, true);
        async move { asked.await.map_or(Decision::Failed, |answer| convert::command_decision(answer.decision)) }.boxed()
    }

    fn approve_patch<'a>(&'a self, turn_id: &'a str, question: PatchQuestion) -> BoxFuture<'a, Decision> {
        let params = convert::patch_question(self.thread_id(), turn_id, question);
        let asked = self.ask::<m::FileChangeRequestApproval>(params, true);
        async move { asked.await.map_or(Decision::Failed, |answer| convert::patch_decision(answer.decision)) }.boxed()
    }

    fn call<'a>(&'a self, turn_id: &'a str, call: ClientCall) -> BoxFuture<'a, Option<ClientAnswer>> {
        let params = convert::client_call(self.thread_id(), turn_id, call);
        async move {
            // Nobody is told when this is answered: the item says it.
            let answer = self.answer::<m::DynamicToolCall>(params, false).await?;
            let failed = matches!(answer, Answer::Error(_));
            match read::<v2::DynamicToolCallResponse>(answer) {
                Some(answer) => Some(convert::client_answer(answer)),
                None if failed => None,
                None => Some(ClientAnswer { content: vec![Content::Text(UNREADABLE.to_owned())], success: false }),
            }
        }
        .boxed()
    }

    fn ask<'a>(&'a self, turn_id: &'a str, item_id: &'a str, questions: Vec<Question>) -> BoxFuture<'a, Option<Value>> {
        let params = convert::user_questions(self.thread_id(), turn_id, item_id, questions);
        let asked = self.ask::<m::ToolRequestUserInput>(params, true);
        async move { serde_json::to_value(asked.await?).ok() }.boxed()
    }
}
