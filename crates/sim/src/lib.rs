//! A backend to try against: scripted answers as Responses API or as chat completions, and an issuer of expiring tokens.
//!
//! The crate owns what a client can see of a backend: streams, refusals, side calls, logins, tokens.
//! It knows nothing of the app server. People who do not write Rust use it through the
//! command line and the control endpoints, both described in `docs/sim.md`.
//!
//! ```no_run
//! use valet_sim::{Response, Rule, Script, Sim, TokenRequest};
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let script = Script::new()
//!     .rule(Rule::when("list the files")
//!         .respond(Response::new().function_call("exec_command", serde_json::json!({"cmd": "ls"})))
//!         .respond("There are two files."))
//!     .rule(Rule::always().respond("Hello"));
//! let sim = Sim::start(script).await?;
//! let token = sim.tokens().issue(TokenRequest::default().uses(1));
//! // ... point a client at sim.base_url(), lend it token.access_token ...
//! let refused = sim.wait_for_requests(|request| request.status == Some(401), 1).await;
//! # let _ = (token, refused);
//! # Ok(())
//! # }
//! ```

mod chat;
mod check;
mod http;
mod ids;
mod issuer;
mod jwt;
mod log;
mod playback;
mod response;
mod responses;
mod script;
mod serve;
mod shared;
mod sim;
mod step;
mod tokens;
mod wire;

pub use issuer::{Decision, DecisionError, DevicePolicy, Fault, Issuer, IssuerPolicy, PendingLogin};
pub use log::{Outcome, RecordedRequest, fingerprint};
pub use response::{Response, Usage};
pub use script::{Endpoint, Rule, Script, ScriptError, TokenPolicy, When};
pub use sim::{Sim, SimBuilder};
pub use step::{Chunks, CustomToolCall, Failure, FunctionCall, Step};
pub use tokens::{
    Grant, GrantKind, GrantedRefresh, Identity, IssuedToken, Redemption, RefreshState, TokenIssuer, TokenRequest,
};
