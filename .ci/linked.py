"""Prints a CycloneDX list without what is not linked into the binary, and without the paths of this machine.

cargo-cyclonedx lists what `cargo metadata` says of the whole workspace, the features that its tests ask for included.
What is linked says `cargo tree`.
"""

import json
import os
import re
import subprocess
import sys

path, triple = sys.argv[1:]
tree = ["cargo", "tree", "--locked", "--package", "valet-cli", "--target", triple]
tree += ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
said = subprocess.run(tree, check=True, stdout=subprocess.PIPE, text=True).stdout
linked = set(re.findall(r"^(\S+) v(\S+)", said, re.MULTILINE))

with open(path) as file:
    bom = json.loads(file.read().replace(f"file://{os.getcwd()}", "file://."))

listed = {(part["name"], part["version"]) for part in bom["components"]}
missing = linked - listed - {("valet-cli", bom["metadata"]["component"]["version"])}
if missing:
    sys.exit(f"linked and not listed: {sorted(missing)}")

bom["components"] = [part for part in bom["components"] if (part["name"], part["version"]) in linked]
known = {part["bom-ref"] for part in [bom["metadata"]["component"], *bom["components"]]}
bom["dependencies"] = [
    {**row, "dependsOn": [below for below in row.get("dependsOn", []) if below in known]}
    for row in bom["dependencies"]
    if row["ref"] in known
]
json.dump(bom, sys.stdout, indent=2, ensure_ascii=False)
print()
