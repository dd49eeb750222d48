//! The other end of the protocol: a typed client for parent applications.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use valet_client::{AppServer, Client, Handlers};
//! use valet_protocol::{methods, v2};
//!
//! let handlers = Handlers::new().on::<methods::ChatgptAuthTokensRefresh, _>(|params| async move {
//!     Ok(my_token_for(params.previous_account_id).await)
//! });
//! let server = AppServer::spawn(std::process::Command::new("valet").arg("app-server"))?;
//! let (client, mut notifications) = Client::new(server.link, handlers);
//! client.initialize("my-app", "1.0", true).await?;
//! let threads = client.request::<methods::ThreadList>(v2::ThreadListParams::default()).await?;
//! while let Some(notification) = notifications.next().await {
//!     if let Some(done) = notification.read::<methods::TurnCompleted>() {
//!         println!("{:?}", done.turn.status);
//!     }
//! }
//! # Ok(())
//! # }
//! # async fn my_token_for(account: Option<String>) -> valet_protocol::v2::ChatgptAuthTokensRefreshResponse {
//! #     valet_protocol::v2::ChatgptAuthTokensRefreshResponse {
//! #         access_token: valet_protocol::Secret::new("a token"),
//! #         chatgpt_account_id: account.unwrap_or_default(),
//! #         chatgpt_plan_type: None,
//! #     }
//! # }
//! ```

mod client;
mod handlers;
mod notification;
mod process;
mod websocket;

pub use client::{Client, RequestError};
pub use handlers::Handlers;
pub use notification::{Notification, Notifications};
pub use process::{AppServer, AppServerProcess};
pub use websocket::{ConnectError, connect, handshake};
