# What tests look for and what is no part of a checkout: a Python with the official SDK, and TypeScript.
# To be sourced. `.ci/run` and the justfile use it; everything goes to the cache directory.

valet_cache="${XDG_CACHE_HOME:-$HOME/.cache}/valet"
valet_python="$valet_cache/venv/bin/python"
valet_tsc="$valet_cache/node/node_modules/.bin/tsc"

# pip of the system, so that a Debian without python3-venv will do.
valet_pip() {
    python3 -m pip --python "$valet_python" --disable-pip-version-check --quiet "$@"
}

# The SDK comes without its dependencies: one of them is a whole server, which is not wanted here.
# What is there already, in this version, is left alone.
install_python_sdk() {
    "$valet_python" -c 'import openai_codex, pydantic, packaging
from importlib.metadata import version
assert version("openai-codex") == "0.163.0"' 2>/dev/null && return
    mkdir -p "$valet_cache" &&
        python3 -m venv --without-pip "$valet_cache/venv" &&
        valet_pip install pydantic packaging &&
        valet_pip install --no-deps openai-codex==0.163.0
}

install_typescript() {
    [ -e "$valet_tsc" ] && return
    mkdir -p "$valet_cache/node" &&
        npm install --silent --no-fund --no-audit --prefix "$valet_cache/node" typescript@5
}
