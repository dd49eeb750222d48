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

use super::Shared;
use super::questions::Open;
use crate::convert;
use crate::outgoing::{OutgoingMessageSender, Target};

/// Where commands run.
const ENVIRONMENT: &str = "local";

/// What the model is told when a client's tool answers something else than an answer.
const UNREADABLE: &str = "dynamic tool response was invalid";

pub(super) struct ThreadClient {
    shared: Arc<Shared>,
    outgoing: OutgoingMessageSender,
}

impl ThreadClient {
    pub(super) fn new(shared: &Arc<Shared>, outgoing: &OutgoingMessageSender) -> Self {
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
        use v2::CommandExecutionApprovalDecision as Wire;
        let amendment = question
            .amendment
            .clone()
            .map(|execpolicy_amendment| Wire::AcceptWithExecpolicyAmendment { execpolicy_amendment });
        let params = v2::CommandExecutionRequestApprovalParams {
            kind: match question.approval_id {
                Some(_) => v2::CommandExecutionApprovalKind::WriteStdin,
                None => v2::CommandExecutionApprovalKind::Command,
            },
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
            item_id: question.item_id,
            started_at_ms: question.started_at_ms,
            approval_id: question.approval_id,
            environment_id: Some(ENVIRONMENT.to_owned()),
            reason: question.reason,
            network_approval_context: None,
            command: Some(question.command),
            cwd: Some(question.cwd),
            command_actions: Some(convert::actions(&question.actions)),
            additional_permissions: None,
            proposed_execpolicy_amendment: question.amendment,
            proposed_network_policy_amendments: None,
            available_decisions: Some([Wire::Accept].into_iter().chain(amendment).chain([Wire::Cancel]).collect()),
        };
        async move {
            match self.ask::<m::CommandExecutionRequestApproval>(params, true).await.map(|answer| answer.decision) {
                Some(Wire::Accept) => Decision::Accept,
                Some(Wire::AcceptForSession) => Decision::AcceptForSession,
                // A rule without words would allow everything.
                Some(Wire::AcceptWithExecpolicyAmendment { execpolicy_amendment })
                    if !execpolicy_amendment.is_empty() =>
                {
                    Decision::AcceptPrefix(execpolicy_amendment)
                }
                Some(Wire::Decline) => Decision::Decline,
                Some(Wire::Cancel) => Decision::Cancel,
                // No network is ever proposed.
                Some(Wire::AcceptWithExecpolicyAmendment { .. } | Wire::ApplyNetworkPolicyAmendment { .. }) | None => {
                    Decision::Failed
                }
            }
        }
        .boxed()
    }

    fn approve_patch<'a>(&'a self, turn_id: &'a str, question: PatchQuestion) -> BoxFuture<'a, Decision> {
        use v2::FileChangeApprovalDecision as Wire;
        let params = v2::FileChangeRequestApprovalParams {
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
            item_id: question.item_id,
            started_at_ms: question.started_at_ms,
            reason: question.reason,
            grant_root: None,
        };
        async move {
            match self.ask::<m::FileChangeRequestApproval>(params, true).await.map(|answer| answer.decision) {
                Some(Wire::Accept) => Decision::Accept,
                Some(Wire::AcceptForSession) => Decision::AcceptForSession,
                Some(Wire::Decline) => Decision::Decline,
                Some(Wire::Cancel) => Decision::Cancel,
                None => Decision::Failed,
            }
        }
        .boxed()
    }

    fn call<'a>(&'a self, turn_id: &'a str, call: ClientCall) -> BoxFuture<'a, Option<ClientAnswer>> {
        let params = v2::DynamicToolCallParams {
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
            call_id: call.call_id,
            namespace: call.namespace,
            tool: call.tool,
            arguments: call.arguments,
        };
        let content = |part| match part {
            v2::DynamicToolCallOutputContentItem::InputText { text } => Content::Text(text),
            v2::DynamicToolCallOutputContentItem::InputImage { image_url } => Content::Image(image_url),
            v2::DynamicToolCallOutputContentItem::InputAudio { audio_url } => Content::Audio(audio_url),
        };
        async move {
            // Nobody is told when this is answered: the item says it.
            let answer = self.answer::<m::DynamicToolCall>(params, false).await?;
            let failed = matches!(answer, Answer::Error(_));
            let Some(answer) = read::<v2::DynamicToolCallResponse>(answer) else {
                let unreadable =
                    || ClientAnswer { content: vec![Content::Text(UNREADABLE.to_owned())], success: false };
                return (!failed).then(unreadable);
            };
            let content = answer.content_items.into_iter().map(content).collect();
            Some(ClientAnswer { content, success: answer.success })
        }
        .boxed()
    }

    fn ask<'a>(&'a self, turn_id: &'a str, item_id: &'a str, questions: Vec<Question>) -> BoxFuture<'a, Option<Value>> {
        let question = |question: Question| v2::ToolRequestUserInputQuestion {
            id: question.id,
            header: question.header,
            question: question.question,
            is_other: true,
            is_secret: false,
            options: Some(
                question
                    .options
                    .into_iter()
                    .map(|option| v2::ToolRequestUserInputOption {
                        label: option.label,
                        description: option.description,
                    })
                    .collect(),
            ),
        };
        let params = v2::ToolRequestUserInputParams {
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
            item_id: item_id.to_owned(),
            questions: questions.into_iter().map(question).collect(),
            is_blocking: true,
            auto_resolution_ms: None,
        };
        async move {
            let answer = ThreadClient::ask::<m::ToolRequestUserInput>(self, params, true).await?;
            serde_json::to_value(answer).ok()
        }
        .boxed()
    }
}
