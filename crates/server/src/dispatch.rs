//! From a method's name to its handler. The match is written from the method table: a row without a handler
//! does not compile.

use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use strum::VariantNames;
use valet_protocol::experimental::Gate;
use valet_protocol::methods::{self, ClientRequestName};
use valet_protocol::{
    ClientRequestMethod, ErrorKind, ErrorObject, Order, RequestId, experimental, for_each_client_request,
};

use crate::context::Context;
use crate::order::Lanes;
use crate::responder::Responder;

/// What only Valet understands of the parameters.
const OURS: Gate = Gate::Field("valet");

/// Carries out one method whose answer is all there is to it. One implementation of this or of [`Handler`] per file of
/// `handlers`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is in the table of methods, and nothing handles it",
    note = "write `crates/server/src/handlers/<method_in_snake_case>.rs`"
)]
pub(crate) trait Answers: ClientRequestMethod + Sized {
    /// What is answered.
    fn answer(context: Context, params: Self::Params) -> impl Future<Output = Answered<Self>> + Send;
}

/// The response of a method, or why there is none.
pub(crate) type Answered<M> = Result<<M as ClientRequestMethod>::Response, ErrorObject>;

/// Carries out one method of which something follows the answer, or whose answer comes from elsewhere. For all others
/// there is [`Answers`].
pub(crate) trait Handler: ClientRequestMethod + Sized {
    /// Must answer, sooner or later, through the responder.
    fn handle(context: Context, params: Self::Params, responder: Responder<Self>) -> impl Future<Output = ()> + Send;

    /// Which requests this one must not overtake, where the row of the table cannot tell.
    fn lane(params: &Self::Params) -> Order {
        Self::order(params)
    }
}

impl<M: Answers> Handler for M {
    async fn handle(context: Context, params: Self::Params, responder: Responder<Self>) {
        responder.respond(Self::answer(context, params).await);
    }
}

/// Finds the handler and runs it in its order. Every path leads to exactly one answer.
pub(crate) async fn dispatch(
    context: Context,
    lanes: &mut Lanes,
    id: RequestId,
    method: &str,
    params: Option<&RawValue>,
) {
    let connection = &context.connection;
    let name = method.parse::<ClientRequestName>();
    let label = name.as_ref().map_or("unknown", |name| name.into());
    if let Some(later) = connection.retry_after() {
        let error = ErrorObject::overloaded(u64::try_from(later.as_millis()).unwrap_or(u64::MAX));
        return connection.refuse(&id, label, &error);
    }
    // Strict hosts have no methods but the reference's.
    let ours = context.host.config.strict() && method.starts_with("valet/");
    let Some(name) = name.ok().filter(|_| !ours) else {
        return connection.refuse(&id, label, &unknown_method(method, context.host.config.strict()));
    };
    macro_rules! route {
        ($($method:ident),+) => {
            match name {
                $( ClientRequestName::$method => begin::<methods::$method>(context, id, params), )+
            }
        };
    }
    let from = connection.id;
    // Boxed, so that what follows is compiled once and not once per method.
    let begun: Option<(Order, BoxFuture<'static, ()>)> = for_each_client_request!(route);
    if let Some((order, request)) = begun {
        lanes.run(from, order, request).await;
    }
}

/// The request as work that waits for its turn. None: it has been answered.
fn begin<M: Handler>(
    context: Context,
    id: RequestId,
    raw: Option<&RawValue>,
) -> Option<(Order, BoxFuture<'static, ()>)> {
    let bytes = raw.map_or(0, |raw| raw.get().len());
    let responder = Responder::<M>::new(Arc::clone(&context.connection), id, bytes);
    // What a request says is looked at before whether it may be made, as the reference does.
    let read = || -> Result<M::Params, ErrorObject> {
        let params = M::parse(raw)?;
        context.admit(M::METHOD, M::NEW_WORK, M::GATES, raw)?;
        Ok(params)
    };
    match read() {
        Ok(params) => Some((M::lane(&params), M::handle(context, params, responder).boxed())),
        Err(error) => {
            responder.respond(Err(error));
            None
        }
    }
}

impl Context {
    /// Whether a request may be made now. Apart from `begin`, so that it is compiled once and not once per method.
    fn admit(
        &self,
        method: &'static str,
        new_work: bool,
        gates: &'static [Gate],
        raw: Option<&RawValue>,
    ) -> Result<(), ErrorObject> {
        let session = match (self.connection.session(), method == methods::Initialize::METHOD) {
            (Some(_), true) => {
                return Err(ErrorObject::invalid_request("Already initialized").kind(ErrorKind::AlreadyInitialized));
            }
            (None, false) => {
                return Err(ErrorObject::invalid_request("Not initialized").kind(ErrorKind::NotInitialized));
            }
            (session, _) => session,
        };
        // A host that is about to end begins nothing.
        if new_work && self.host.is_draining() {
            return Err(ErrorObject::draining());
        }
        // What is experimental is for those who asked for it.
        if session.is_some_and(|session| session.experimental) {
            return Ok(());
        }
        // Strict hosts do not know the member that only Valet understands.
        let strict = self.host.config.strict();
        let gates: Vec<Gate> = gates.iter().copied().filter(|gate| !strict || *gate != OURS).collect();
        experimental::check(method, &gates, raw)
    }
}

fn unknown_method(method: &str, strict: bool) -> ErrorObject {
    let known = ClientRequestName::VARIANTS.iter().filter(|name| !strict || !name.starts_with("valet/"));
    let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    let reason = format!("unknown variant `{method}`, expected one of {}", known.join(", "));
    ErrorObject::undecodable(reason).kind(ErrorKind::MethodNotFound)
}
