"""JSON schemas for kubeconform, one a kind, out of Kubernetes' own OpenAPI document. Strict: unknown fields are errors.

python schemas.py swagger.json FOLDER
"""

import json
import re
import sys
from pathlib import Path

_PREFIX = "#/definitions/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


def strict(node: object) -> object:
    """The node with fields beyond the named ones refused, wherever fields are named."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    if node.get("format") == "int-or-string":
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    changed = {name: strict(value) for name, value in node.items()}
    if changed.get("properties") and isinstance(changed["properties"], dict) and "additionalProperties" not in changed:
        changed["additionalProperties"] = False
    return changed


def reachable(schema: object, definitions: dict[str, object]) -> dict[str, object]:
    """All definitions that the schema refers to, directly or not."""
    paths: dict[str, object] = {}
    waiting = [schema]
    while waiting:
        for name in re.findall(rf'"{_PREFIX}([^"]+)"', json.dumps(waiting.pop())):
            if name not in paths:
                paths[name] = definitions[name]
                waiting.append(definitions[name])
    return paths


def main(source: Path, folder: Path) -> None:
    raw = json.loads(source.read_text())["definitions"]
    definitions = {name: strict(value) for name, value in raw.items()}
    definitions[_QUANTITY] = {"oneOf": [{"type": "string"}, {"type": "number"}]}
    definitions[_INT_OR_STRING] = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    folder.mkdir(parents=True)
    for name, value in raw.items():
        for kind in value.get("x-kubernetes-group-version-kind", []):
            parts = (kind["kind"].lower(), kind["group"].split(".")[0], kind["version"])
            schema = dict(definitions[name])
            schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind"})
            schema["definitions"] = reachable(schema, definitions)
            (folder / f"{'-'.join(part for part in parts if part)}.json").write_text(json.dumps(schema))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
