//! A login in a browser on this machine: the URL that a person opens, the listener on the loopback interface that the
//! issuer sends them back to, and the page that they then see.

mod browser;
mod gate;
mod loopback;
mod page;
mod pkce;

pub use browser::{BrowserLogin, BrowserLoginError, Granted, Options};
pub use gate::{Gate, Refusal};
pub use loopback::{PORTS, PortsError};
pub use pkce::random;
