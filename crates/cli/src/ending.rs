//! When a host ends: signals, and nobody there.

use std::time::Duration;

use valet_server::{Config, End, Host};

/// How long running turns may go on after a signal on a listener, unless the configuration says otherwise.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a shell says of a program that Ctrl-C has ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// What ends a host, and how.
pub(crate) struct Endings {
    /// None: what runs is interrupted at once.
    drain: Option<Drain>,
    when_idle: Option<Duration>,
    /// Heard from the beginning, so that whatever is there by then is cleared away.
    signals: Signals,
}

/// None: as long as they take.
struct Drain(Option<Duration>);

impl Endings {
    /// Over stdio there is nobody left to wait for the end of a turn, unless somebody says so.
    pub(crate) fn of_stdio(config: &Config) -> Self {
        Self { drain: config.drain_timeout().map(Drain::new), when_idle: None, signals: Signals::new() }
    }

    pub(crate) fn of_listener(config: &Config) -> Self {
        let drain = Drain::new(config.drain_timeout().unwrap_or(DRAIN_TIMEOUT));
        Self { drain: Some(drain), when_idle: config.exit_when_idle(), signals: Signals::new() }
    }

    /// Returns when the host has ended. The first signal lets turns finish; the second does not, and neither does
    /// the end of the parent.
    pub(crate) async fn end(mut self, host: &Host) {
        let idle = async {
            match self.when_idle {
                Some(time) => host.idle_for(time).await,
                None => std::future::pending().await,
            }
        };
        let then = tokio::select! {
            then = self.signals.next() => {
                tracing::info!("a signal asks the host to end");
                then
            }
            () = idle => {
                tracing::info!("nobody has needed the host for so long that it ends");
                End::Shutdown
            }
            () = host.abandoned() => return host.shutdown().await,
            () = host.ended() => return,
        };
        if let Some(Drain(limit)) = self.drain {
            tokio::select! {
                () = host.drain(limit, then) => return,
                _ = self.signals.next() => {}
                () = host.abandoned() => {}
            }
        }
        host.shutdown().await;
    }
}

impl Drain {
    fn new(limit: Duration) -> Self {
        Self((!limit.is_zero()).then_some(limit))
    }
}

/// The signals that ask a process to end. None of them is lost between two calls.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            terminate: signal(SignalKind::terminate()).ok(),
            interrupt: signal(SignalKind::interrupt()).ok(),
            hangup: signal(SignalKind::hangup()).ok(),
        }
    }

    pub(crate) async fn next(&mut self) -> End {
        tokio::select! {
            Some(()) = received(&mut self.terminate) => End::Shutdown,
            Some(()) = received(&mut self.interrupt) => End::Shutdown,
            Some(()) = received(&mut self.hangup) => End::Restart,
            else => std::future::pending().await,
        }
    }

    /// The same without Ctrl-C, which is for the program in the foreground.
    pub(crate) async fn next_to_end(&mut self) {
        loop {
            tokio::select! {
                Some(()) = received(&mut self.terminate) => return,
                Some(()) = received(&mut self.hangup) => return,
                Some(()) = received(&mut self.interrupt) => {}
                else => std::future::pending().await,
            }
        }
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) async fn next(&mut self) -> End {
        match tokio::signal::ctrl_c().await {
            Ok(()) => End::Shutdown,
            Err(_) => std::future::pending().await,
        }
    }
}
