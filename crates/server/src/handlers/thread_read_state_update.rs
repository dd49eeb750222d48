//! `thread/readState/update`.

use uuid::Uuid;
use valet_protocol::ErrorObject;
use valet_protocol::methods::{ThreadReadStateChanged, ThreadReadStateUpdate};
use valet_protocol::v2::{
    ThreadReadState, ThreadReadStateChangedNotification, ThreadReadStateOperation, ThreadReadStateUpdateParams,
    ThreadReadStateUpdateResponse, ThreadUnreadPosition,
};

use super::{not_loaded, thread_id_of};
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadReadStateUpdate {
    async fn handle(context: Context, params: ThreadReadStateUpdateParams, responder: Responder<Self>) {
        responder.respond(update(&context, params).await);
    }
}

async fn update(
    context: &Context,
    params: ThreadReadStateUpdateParams,
) -> Result<ThreadReadStateUpdateResponse, ErrorObject> {
    let id = thread_id_of(&params.thread_id).map_err(|error| ErrorObject::contradiction(error.message))?;
    let loaded = context.loaded_thread(&id)?;
    let (known, creator) = match &loaded {
        Some(thread) => {
            let stage = thread.shared.stage();
            (stage.record.read_state.clone(), stage.record.creator.clone())
        }
        None => {
            let summary = context.stored(&id).await?.ok_or_else(|| not_loaded(&id))?;
            (summary.read_state.as_ref().map(convert::read_state), summary.creator)
        }
    };
    let known = known.unwrap_or_else(|| convert::unread_nothing(&id));
    if known.revision != params.expected_revision {
        return Err(ErrorObject::read_state_conflict(known));
    }
    let first_unread = match params.operation {
        ThreadReadStateOperation::Read {} => None,
        ThreadReadStateOperation::Unread {} => Some(ThreadUnreadPosition::ThreadStart {}),
    };
    let read_state = ThreadReadState { first_unread, revision: Uuid::new_v4().to_string() };
    let stored = convert::stored_read_state(&read_state);
    let (thread_id, told) = (id.clone(), read_state.clone());
    if let Some(thread) = &loaded {
        thread.shared.stage().record.read_state = Some(read_state.clone());
    }
    if !loaded.is_some_and(|thread| thread.shared.stage().record.thread.ephemeral) {
        context.store(move |store| store.set_read_state(&id, &stored)).await?;
    }
    let params = ThreadReadStateChangedNotification { thread_id, read_state: told };
    context.tell_of::<ThreadReadStateChanged>(creator.as_ref(), &params);
    Ok(ThreadReadStateUpdateResponse { read_state })
}
