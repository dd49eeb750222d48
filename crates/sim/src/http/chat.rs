//! `POST /v1/chat/completions`: the same answers as a turn, in the older form.

use crate::{
    chat::Order,
    http::{
        call::Call,
        reply::{Content, Reply},
        turn,
    },
    shared::Shared,
    step::Step,
};

pub(super) fn reply(shared: &Shared, call: &Call) -> Reply {
    let order = Order::of_body(&call.body);
    let mut reply = turn::reply(shared, call);
    let Content::Stream(response) = reply.content else { return reply };
    let failure = response.steps.iter().find_map(|step| match step {
        Step::Failed(failure) if !order.stream => Some(failure),
        _ => None,
    });
    if let Some(failure) = failure {
        let failed = Reply::error(500, &failure.message, &failure.code);
        return Reply { headers: reply.headers, delay: reply.delay, rule: reply.rule, ..failed };
    }
    reply.content = Content::Chat(response, order);
    reply
}
