//! What stands below the flags of a command's help: examples, the environment, exit codes. Lines are not wrapped, so
//! none is longer than 80 characters.

pub(crate) const VALET: &str = "\
Environment:
  VALET_HOME  Valet's home, the directory of config.toml, of logins and of
              threads; else CODEX_HOME, else ~/.valet
  VALET_LOG   how much is logged on stderr: off, error, warn, info or debug;
              else RUST_LOG, else warn

Exit codes:
  0  it is done
  1  it failed, and stderr says why
  2  the command line is not understood
  `valet run` ends as its client does; docs/operating.md has the rest.";

pub(crate) const APP_SERVER: &str = "\
Examples:
  valet app-server
      for the parent that starts it, over stdin and stdout
  valet app-server --listen ws://127.0.0.1:0 --parent-pid $$
      on any free port, for as long as this shell lives
  valet app-server --listen ws://0.0.0.0:4500 \\
      --ws-auth capability-token --ws-token-file token
      for other machines, if they show the token";

#[cfg(unix)]
pub(crate) const RUN: &str = "\
Examples:
  valet run
      tells which login could go on when one is at its limit
  valet run --policy headroom --repeat -- resume --last
      takes the last conversation up, and goes on by itself
  valet run --no-client --listen 127.0.0.1:4500 --ws-token-file token
      for clients that are started elsewhere

The exit code is the client's.";

pub(crate) const SIM: &str = "\
Example:
  valet sim --port 4000 --script script.json

The sim runs until Ctrl-C or SIGTERM.";

pub(crate) const LOGIN: &str = "\
Examples:
  valet login
      in a browser on this machine
  valet login --device
      over SSH, or in a container
  printenv OPENAI_API_KEY | valet login --api-key
      with an API key

The exit code is 130 when the login was cancelled, by Ctrl-C or by another
signal that asks to end.";

pub(crate) const LOGOUT: &str = "\
The exit code is 1 when the issuer did not take the tokens back; the login is
forgotten all the same. It is 1, too, when the login cannot be read; it stays.";

pub(crate) const REMOVE: &str = "\
The exit code is 1 when the issuer did not take the tokens back; the login is
forgotten all the same.";

pub(crate) const STATUS: &str = "\
The exit code is 0 when somebody is logged in, and 1 when nobody is, or the
login cannot be read, is refused for good, or is one that the configuration
forbids.";

pub(crate) const ACCOUNTS: &str = "\
Examples:
  valet accounts list
  valet accounts use second@example.com
  valet accounts usage --watch";
