//! What a row of the method table turns into: a marker type per method, the lists of names, and the
//! visitors that the schema, the bindings and the dispatch of the server walk.

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use ts_rs::TS;

use crate::error::ErrorObject;
use crate::experimental::Gate;
use crate::jsonrpc::{RequestId, decoder_text};

/// In which order a request may overtake others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Before anything else is read, from anybody. For what needs no waiting at all.
    Immediate,
    /// One at a time, in the order of arrival: requests that change who is logged in.
    Account,
    /// One at a time per thread, in the order of arrival.
    Thread(String),
    /// One at a time per process that a connection runs, in the order of arrival. A process without a name has no
    /// order: nothing else can be asked of it.
    Process(Option<String>),
    /// One at a time per watch that a connection has, in the order of arrival.
    Watch(String),
    /// Reads of state in memory, and work that touches nothing shared: any time.
    Concurrent,
}

/// Parameters of a method that takes none: absent, `null` and an object are all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema, TS)]
#[ts(type = "undefined | null | Record<string, unknown>")]
#[schemars(with = "Option<Map<String, Value>>", inline)]
pub struct NoParams;

impl<'de> Deserialize<'de> for NoParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Map<String, Value>>::deserialize(deserializer).map(|_| Self)
    }
}

/// A request that a client sends.
pub trait ClientRequestMethod: 'static {
    /// What the client sends.
    type Params: DeserializeOwned + Serialize + JsonSchema + TS + Send + 'static;
    /// What it gets.
    type Response: DeserializeOwned + Serialize + JsonSchema + TS + Send + 'static;
    /// The name on the wire.
    const METHOD: &'static str;
    /// What it is for.
    const DOC: &'static str;
    /// Whether `params` may be left out.
    const PARAMS_OPTIONAL: bool;
    /// What of it needs `capabilities.experimentalApi`.
    const GATES: &'static [Gate];
    /// Whether it begins something that a host which is about to end should not begin.
    const NEW_WORK: bool;

    /// Which requests this one must not overtake.
    fn order(params: &Self::Params) -> Order;

    /// Decodes the parameters; the error is ready to be sent.
    fn parse(params: Option<&RawValue>) -> Result<Self::Params, ErrorObject>;

    /// Writes `{"id":..,"result":..}`.
    fn write_response(id: &RequestId, response: &Self::Response) -> serde_json::Result<Vec<u8>>;
}

/// What each row's `parse` does. The rows have functions of their own, and not one that is generic in the row, so that
/// their code is made here, for size, and not where they are called.
pub(crate) fn parse<P: DeserializeOwned>(params: Option<&RawValue>, optional: bool) -> Result<P, ErrorObject> {
    let text = match params.map(RawValue::get).filter(|text| *text != "null") {
        Some(text) => text,
        None if optional => "{}",
        None => return Err(ErrorObject::undecodable("missing field `params`")),
    };
    serde_json::from_str(text).map_err(|error| ErrorObject::undecodable(decoder_text(&error)))
}

/// A request that the server sends.
pub trait ServerRequestMethod: 'static {
    /// What the server sends.
    type Params: DeserializeOwned + Serialize + JsonSchema + TS + Send + 'static;
    /// What the client owes.
    type Response: DeserializeOwned + Serialize + JsonSchema + TS + Send + 'static;
    /// The name on the wire.
    const METHOD: &'static str;
    /// What it is for.
    const DOC: &'static str;
}

/// A notification that the server sends.
pub trait ServerNotificationMethod: 'static {
    /// What is told.
    type Params: DeserializeOwned + Serialize + JsonSchema + TS + Send + 'static;
    /// The name on the wire.
    const METHOD: &'static str;
    /// When it is sent.
    const DOC: &'static str;
}

/// A notification that a client sends.
pub trait ClientNotificationMethod: 'static {
    /// The name on the wire.
    const METHOD: &'static str;
    /// When it is sent.
    const DOC: &'static str;
}

/// Walks the whole table.
pub trait MethodVisitor {
    /// Called once per request of a client.
    fn client_request<M: ClientRequestMethod>(&mut self);
    /// Called once per request of the server.
    fn server_request<M: ServerRequestMethod>(&mut self);
    /// Called once per notification of the server.
    fn server_notification<M: ServerNotificationMethod>(&mut self);
    /// Called once per notification of a client.
    fn client_notification<M: ClientNotificationMethod>(&mut self);
}

/// Reads the rows of `methods.rs`. In the place of a request's parameters stands `none` if it has none, and `optional`
/// before them if they may be left out. What is in parentheses behind an [`Order`] is the member of the parameters whose
/// value is the key. `new_work` is [`ClientRequestMethod::NEW_WORK`], `gates` are [`ClientRequestMethod::GATES`].
macro_rules! define_methods {
    (
        client_requests {
            $( $(#[doc = $request_doc:literal])+
               $request:ident = $request_method:literal ($($request_params:tt)+) -> $request_response:ty,
               order: $order:ident $(($key:ident))? $(, new_work: $new_work:literal)? $(, gates: $gates:expr)? ; )+
        }
        server_requests {
            $( $(#[doc = $ask_doc:literal])+
               $ask:ident = $ask_method:literal ($ask_params:ty) -> $ask_response:ty ; )+
        }
        server_notifications {
            $( $(#[doc = $note_doc:literal])+ $note:ident = $note_method:literal ($note_params:ty) ; )+
        }
        client_notifications {
            $( $(#[doc = $hint_doc:literal])+ $hint:ident = $hint_method:literal ; )+
        }
    ) => {
        /// The requests that a client may send, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumIter, strum::EnumString, strum::IntoStaticStr, strum::VariantNames)]
        pub enum ClientRequestName {
            $( $(#[doc = $request_doc])+ #[strum(serialize = $request_method)] $request, )+
        }

        $(
            $(#[doc = $request_doc])+
            #[derive(Clone, Copy, Debug)]
            pub enum $request {}

            impl ClientRequestMethod for $request {
                type Params = define_methods!(@params $($request_params)+);
                type Response = $request_response;
                const METHOD: &'static str = $request_method;
                const DOC: &'static str = concat!($($request_doc, "\n"),+);
                const PARAMS_OPTIONAL: bool = define_methods!(@optional $($request_params)+);
                const GATES: &'static [Gate] = define_methods!(@gates $($gates)?);
                const NEW_WORK: bool = define_methods!(@new_work $($new_work)?);

                #[inline(never)]
                fn parse(params: Option<&RawValue>) -> Result<Self::Params, ErrorObject> {
                    crate::define::parse(params, Self::PARAMS_OPTIONAL)
                }

                #[inline(never)]
                fn write_response(id: &RequestId, response: &Self::Response) -> serde_json::Result<Vec<u8>> {
                    crate::jsonrpc::write_response(id, response)
                }

                fn order(_params: &Self::Params) -> Order {
                    define_methods!(@order _params $order $(($key))?)
                }
            }
        )+

        $(
            $(#[doc = $ask_doc])+
            #[derive(Clone, Copy, Debug)]
            pub enum $ask {}

            impl ServerRequestMethod for $ask {
                type Params = $ask_params;
                type Response = $ask_response;
                const METHOD: &'static str = $ask_method;
                const DOC: &'static str = concat!($($ask_doc, "\n"),+);
            }
        )+

        $(
            $(#[doc = $note_doc])+
            #[derive(Clone, Copy, Debug)]
            pub enum $note {}

            impl ServerNotificationMethod for $note {
                type Params = $note_params;
                const METHOD: &'static str = $note_method;
                const DOC: &'static str = concat!($($note_doc, "\n"),+);
            }
        )+

        $(
            $(#[doc = $hint_doc])+
            #[derive(Clone, Copy, Debug)]
            pub enum $hint {}

            impl ClientNotificationMethod for $hint {
                const METHOD: &'static str = $hint_method;
                const DOC: &'static str = concat!($($hint_doc, "\n"),+);
            }
        )+

        /// Walks every row, in the order of the table.
        pub fn visit(visitor: &mut impl MethodVisitor) {
            $( visitor.client_request::<$request>(); )+
            $( visitor.server_request::<$ask>(); )+
            $( visitor.server_notification::<$note>(); )+
            $( visitor.client_notification::<$hint>(); )+
        }

        /// Hands the names of all client requests to a macro of the caller.
        ///
        /// The server's dispatch is written with it: a row without a handler does not compile.
        #[macro_export]
        macro_rules! for_each_client_request {
            ($callback:ident) => { $callback! { $($request),+ } };
        }
    };
    (@params none) => { $crate::NoParams };
    (@params optional $params:ty) => { $params };
    (@params $params:ty) => { $params };
    (@optional none) => { true };
    (@optional optional $params:ty) => { true };
    (@optional $params:ty) => { false };
    (@new_work) => { false };
    (@new_work $new_work:literal) => { $new_work };
    (@gates) => { &[] };
    (@gates $gates:expr) => { &$gates };
    (@order $params:ident Thread ($key:ident)) => { Order::Thread($params.$key.clone()) };
    (@order $params:ident Process ($key:ident)) => { Order::Process($params.$key.clone().into()) };
    (@order $params:ident Watch ($key:ident)) => { Order::Watch($params.$key.clone()) };
    (@order $params:ident $order:ident) => { Order::$order };
}

pub(crate) use define_methods;

#[cfg(test)]
mod tests {
    use super::{NoParams, parse};
    use serde_json::value::RawValue;

    #[test]
    fn a_method_without_parameters_takes_nothing_and_any_object_and_no_other_value() {
        let taken = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            parse::<NoParams>(Some(&raw), true).is_ok()
        };
        assert!(parse::<NoParams>(None, true).is_ok());
        assert!(["null", "{}", r#"{"a":[1]}"#].into_iter().all(taken));
        assert!(!["5", "true", r#""words""#, "[]", "[1]"].into_iter().any(taken));
    }
}
