//! `initialize`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use valet_agent::Origin;
use valet_protocol::methods::{ConfigWarning, Initialize, RemoteControlStatusChanged};
use valet_protocol::v1::{ClientInfo, InitializeCapabilities, InitializeParams, InitializeResponse, ValetServerInfo};
use valet_protocol::v2::{RemoteControlConnectionStatus, RemoteControlStatusChangedNotification};
use valet_protocol::{COMPATIBLE_VERSION, ErrorObject, Secret};

use crate::connection::{ConnectionKind, Session};
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

/// What a parent may ask for as its time to answer a token refresh.
const REFRESH_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1_000..=300_000;

/// How long an owner's key may be.
const OWNER_KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=256;

impl Handler for Initialize {
    async fn handle(context: Context, params: InitializeParams, responder: Responder<Self>) {
        let client = params.client_info;
        match session(&context, &client, params.capabilities.unwrap_or_default()) {
            Ok(session) => {
                // The answer first: until the session is set, no notification can overtake it.
                responder.respond(Ok(response(&context, &client, &session)));
                // A login that is taken up only now is told to those who are here; the newcomer is greeted with it.
                let _ = context.host.accounts.current(context.connection.id);
                context.connection.initialize(session);
                let (connection, name, version) = (context.connection.id.0, client.name, client.version);
                tracing::info!(connection, ?name, ?version, "a client has come");
                greet(&context);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

/// What the client asks of the connection, if it may.
fn session(
    context: &Context,
    client: &ClientInfo,
    capabilities: InitializeCapabilities,
) -> Result<Session, ErrorObject> {
    if HeaderValue::from_str(&client.name).is_err() {
        let name = &client.name;
        return Err(ErrorObject::invalid_request_params(format!(
            "Invalid clientInfo.name: '{name}'. Must be a valid HTTP header value."
        )));
    }
    let valet = capabilities.valet.unwrap_or_default();
    if let Some(asked) = valet.refresh_timeout_ms.filter(|asked| !REFRESH_TIMEOUT_MS.contains(asked)) {
        return Err(ErrorObject::invalid_request_params(format!(
            "capabilities.valet.refreshTimeoutMs must be 1000 to 300000, not {asked}"
        )));
    }
    let owner_key = valet.owner_key.as_ref().map(Secret::expose);
    if owner_key.is_some_and(|key| !OWNER_KEY_CHARACTERS.contains(&key.chars().count())) {
        return Err(ErrorObject::invalid_request_params(
            "capabilities.valet.ownerKey must be 16 to 256 characters long",
        ));
    }
    let host = &context.host;
    let id = context.connection.id;
    if let Some(pid) = valet.process_id.filter(|_| context.connection.kind == ConnectionKind::Parent)
        && let Err(error) = host.parent_watch.watch(pid)
    {
        tracing::warn!(%error, "capabilities.valet.processId is ignored");
    }
    // The first client gives the process its name, and a key tells an owner across connections. A tenant has a
    // name of its own, and its refreshes stay on its connection, whatever key others have.
    let (origin, owner) = match host.tenant(id) {
        Some(_) => (origin(client), host.owners.arrived(id, None)),
        None => (Arc::clone(host.origin.get_or_init(|| origin(client))), host.owners.arrived(id, owner_key)),
    };
    Ok(Session {
        experimental: capabilities.experimental_api,
        opted_out: capabilities.opt_out_notification_methods.unwrap_or_default().into_iter().collect(),
        refresh_timeout: valet.refresh_timeout_ms.map(Duration::from_millis),
        allow_account_switch: valet.allow_account_switch_on_refresh,
        parse_errors: valet.parse_errors,
        owner,
        origin,
    })
}

fn response(context: &Context, client: &ClientInfo, session: &Session) -> InitializeResponse {
    let config = &context.host.config;
    let timeout = session.refresh_timeout.unwrap_or_else(|| config.refresh_timeout());
    InitializeResponse {
        user_agent: user_agent(&session.origin.originator, client),
        codex_home: config.home.display().to_string(),
        platform_family: std::env::consts::FAMILY.to_owned(),
        platform_os: std::env::consts::OS.to_owned(),
        valet: (!config.strict()).then(|| ValetServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            compat: "default".to_owned(),
            auth_scope: if config.per_connection() { "connection" } else { "process" }.to_owned(),
            refresh_timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

/// What every connection is told once.
fn greet(context: &Context) {
    let host = &context.host;
    for warning in host.config.warnings().iter().chain(host.sandbox_warning.known()) {
        context.connection.notify::<ConfigWarning>(warning);
    }
    context.connection.notify::<RemoteControlStatusChanged>(&RemoteControlStatusChangedNotification {
        status: RemoteControlConnectionStatus::Disabled,
        server_name: machine_name(),
        installation_id: context.host.installation_id.clone(),
        environment_id: None,
    });
    context.host.accounts.greet(&context.connection);
}

/// What the backend is told of a client.
fn origin(client: &ClientInfo) -> Arc<Origin> {
    let from_environment = std::env::var("CODEX_INTERNAL_ORIGINATOR_OVERRIDE").ok();
    let originator = from_environment.filter(|name| !name.is_empty()).unwrap_or_else(|| client.name.clone());
    // It becomes a header, and a client's version may be any text.
    let user_agent = user_agent(&originator, client).replace(|c: char| !(' '..='~').contains(&c), "_");
    Arc::new(Origin { originator, user_agent })
}

/// Clients read the version out of it.
fn user_agent(originator: &str, client: &ClientInfo) -> String {
    let terminal = std::env::var("TERM_PROGRAM").or_else(|_| std::env::var("TERM"));
    format!(
        "{originator}/{COMPATIBLE_VERSION} ({}; {}) {} ({}; {})",
        std::env::consts::OS,
        std::env::consts::ARCH,
        terminal.ok().filter(|name| !name.is_empty()).as_deref().unwrap_or("unknown"),
        client.name,
        client.version,
    )
}

fn machine_name() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
