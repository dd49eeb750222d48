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
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadReadStateUpdate {
    async fn answer(context: Context, params: ThreadReadStateUpdateParams) -> Answered<Self> {
        let id = thread_id_of(&params.thread_id).map_err(|error| ErrorObject::contradiction(error.message))?;
        let first_unread = match params.operation {
            ThreadReadStateOperation::Read {} => None,
            ThreadReadStateOperation::Unread {} => Some(ThreadUnreadPosition::ThreadStart {}),
        };
        let read_state = ThreadReadState { first_unread, revision: Uuid::new_v4().to_string() };
        let creator = match context.loaded_thread(&id)? {
            Some(thread) => {
                let set = thread.shared.set_read_state(&params.expected_revision, read_state.clone());
                set.map_err(ErrorObject::read_state_conflict)?;
                if thread.shared.is_stored() {
                    thread.shared.noted().await?;
                }
                if thread.shared.stage().record.read_state.as_ref() != Some(&read_state) {
                    // A turn has ended meanwhile: whoever listens knows already that it is unread.
                    return Ok(ThreadReadStateUpdateResponse { read_state });
                }
                thread.creator()
            }
            None => {
                let summary = context.stored(&id).await?.ok_or_else(|| not_loaded(&id))?;
                let known = summary.read_state.as_ref().map(convert::read_state);
                let known = known.unwrap_or_else(|| convert::unread_nothing(&id));
                if known.revision != params.expected_revision {
                    return Err(ErrorObject::read_state_conflict(known));
                }
                let (id, stored) = (id.clone(), convert::stored_read_state(&read_state));
                context.with_store(move |store| store.set_read_state(&id, &stored)).await?;
                summary.creator
            }
        };
        let params = ThreadReadStateChangedNotification { thread_id: id.clone(), read_state: read_state.clone() };
        context.tell_of::<ThreadReadStateChanged>(&id, creator.as_ref(), &params);
        Ok(ThreadReadStateUpdateResponse { read_state })
    }
}
