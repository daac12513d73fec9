"""The custom resource SparkApplication, defined from the operator's own models, for an API server on which no operator runs.

What belongs here: turning the models' JSON schema into what a CustomResourceDefinition accepts: a structural schema, without
references and unions. What does not: an operator. The definition that an operator installs is stricter in places; this one
refuses wrong types, and unknown fields where they are validated strictly.
"""

from __future__ import annotations

from typing import Any

from kubeflow_spark_api.models.spark_v1beta2_spark_application import SparkV1beta2SparkApplication

#: Pod templates would double the size of the definition; the models check them before they are sent.
_OPEN = {"IoK8sApiCoreV1PodTemplateSpec", "IoK8sApiCoreV1Container"}
#: Numbers or text, which the models take for objects.
_QUANTITIES = {"IoK8sApimachineryPkgApiResourceQuantity", "IoK8sApimachineryPkgUtilIntstrIntOrString"}
_KEPT = ("type", "format", "enum", "required", "minimum", "maximum")


def spark_application_crd() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    schema = SparkV1beta2SparkApplication.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    properties = {name: structural(schema["properties"][name], definitions) for name in ("spec", "status")}
    whole = {"type": "object", "required": ["spec"], "properties": properties}
    version = {
        "name": "v1beta2",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": whole},
    }
    names = {"kind": "SparkApplication", "plural": "sparkapplications", "singular": "sparkapplication"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "sparkapplications.sparkoperator.k8s.io",
            # Names under k8s.io require an annotation that says who approved them.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test's own definition"},
        },
        "spec": {
            "group": "sparkoperator.k8s.io",
            "scope": "Namespaced",
            "names": {**names, "listKind": "SparkApplicationList"},
            "versions": [version],
        },
    }


def structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema of pydantic's as a structural one."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[1]
        if name in _QUANTITIES:
            return {"x-kubernetes-int-or-string": True}
        if name in _OPEN:
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return structural(definitions[name], definitions)
    if "allOf" in schema:
        return structural(schema["allOf"][0], definitions)
    if options := schema.get("anyOf"):
        real = [option for option in options if option.get("type") != "null"]
        if len(real) == 1:
            return structural(real[0], definitions)
        return {"x-kubernetes-preserve-unknown-fields": True}
    schema_kept = {name: schema[name] for name in _KEPT if name in schema}
    if not schema_kept:
        return {"x-kubernetes-preserve-unknown-fields": True}
    if "properties" in schema:
        schema_kept["properties"] = {
            name: structural(inner, definitions) for name, inner in schema["properties"].items()
        }
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        schema_kept["additionalProperties"] = structural(extra, definitions)
    elif schema_kept.get("type") == "object" and "properties" not in schema:
        schema_kept["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in schema:
        schema_kept["items"] = structural(schema["items"], definitions)
    return schema_kept
