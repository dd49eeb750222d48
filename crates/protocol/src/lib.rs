//! The app-server protocol, version 2, as inert typed values.
//!
//! Nothing here reads, writes or waits: the crate says what a message *is*.
//! The one table of methods is [`methods`]; everything else is types.
//!
//! # Wire rules
//!
//! `tests/wire_rules.rs` walks the generated schema and holds what it shows of names, nulls and times. The exceptions,
//! which are the reference's, stand there.
//!
//! - **Envelope.** JSON-RPC without the `jsonrpc` member, which is never sent and is ignored when it
//!   arrives. Ids are strings or integers and are echoed with their type. See [`jsonrpc`].
//! - **Names.** Members are camelCase; methods are `resource/verb`; types end in `Params`, `Response`
//!   or `Notification`.
//! - **Null.** A request's optional member may be absent or `null`; a switch may be absent. A response's and a notification's
//!   members are always present, and `null` where there is no value, except where a type's page says
//!   that a member is absent. Where the `null` of a request's member is not the same as its absence, the
//!   member is an `Option<Option<_>>` and says what it means.
//! - **Numbers** are JSON numbers that a JavaScript `number` holds exactly. Names that end in `At` are
//!   unix seconds, names that end in `AtMs` are unix milliseconds.
//! - **Open enums.** A value that a newer peer invents is kept as it came and passed on; it is never an
//!   error for the side that receives it. Values that a *client* sends are checked, because the host
//!   would otherwise guess what it was asked to do. Unions by `type` are open in the same way, although the
//!   bindings list only what this version sends: keep a default branch. Closed for both sides are the policies of a
//!   thread (`AskForApproval`, `ApprovalsReviewer`, `SandboxPolicy`), `ThreadUnreadPosition`, `ConfigLayerSource`,
//!   `FuzzyFileSearchMatchType` and [`ErrorKind`].
//! - **Extensions.** What Valet adds to the reference protocol lives under a member `valet`, in an
//!   error's `data`, or in a method named `valet/...`.

mod define;
pub mod error;
pub mod experimental;
pub mod export;
pub mod jsonrpc;
pub mod methods;
mod nullable;
mod open_enum;
mod secret;
pub mod v1;
pub mod v2;

pub use define::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, NoParams, Order, ServerNotificationMethod,
    ServerRequestMethod,
};
pub use error::{ErrorCode, ErrorData, ErrorKind, ErrorObject, ThreadHolder};
pub use jsonrpc::RequestId;
pub use secret::Secret;

/// The version of the reference server whose wire this crate speaks.
///
/// Clients parse it out of the `userAgent` of the `initialize` response.
pub const COMPATIBLE_VERSION: &str = "0.169.0";
