"""Templates as CloudFormation reads them: short forms made long, and the serverless transform, by AWS's own code."""

import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml
from support import ROOT

NOTHING = {"Ref": "AWS::NoValue"}
# What the gateway's document is told by a template whose parameters nobody set.
AS_IT_COMES = {
    **{"UsesKeys": True, "UsesSignatures": False, "UsesTokens": False, "HasScope": False},
    **{"UsesAuthorizer": False, "PlansTokens": False, "OpensPages": True, "IsPrivate": False},
}
SERVERLESS = "AWS::Serverless-2016-10-31"
MANAGED = ("AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess")
PACKAGES = "s3://packages/first"
TEMPLATE = "https://packages.s3.amazonaws.com/stack-in-the-stack.yaml"


class Loader(yaml.SafeLoader):
    """Reads `!Ref x` and the like as CloudFormation's long forms."""


def _long(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if tag == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", _long)


def read(text: str) -> Any:
    return yaml.load(text, Loader)


def chosen(part: Any, **conditions: bool) -> Any:
    """A part with what these conditions choose in it; other functions stay."""
    if isinstance(part, list):
        return [said for one in part if (said := chosen(one, **conditions)) != NOTHING]
    if not isinstance(part, dict):
        return part
    if list(part) == ["Fn::If"]:
        condition, *sides = part["Fn::If"]
        if condition in conditions:
            return chosen(sides[0] if conditions[condition] else sides[1], **conditions)
        return {"Fn::If": [condition, *(chosen(side, **conditions) for side in sides)]}
    return {key: said for key, one in part.items() if (said := chosen(one, **conditions)) != NOTHING}


def translated(template: dict[str, Any], fetch: Callable[[str], str]) -> dict[str, Any]:
    """What CloudFormation makes of a template before it makes resources; `fetch(location)` gives what it includes."""
    template = _included(template, fetch)
    if template.get("Transform") != SERVERLESS:
        return template
    from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
    from samtranslator.translator.transform import transform

    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # which it asks for, and never calls
    loader = ManagedPolicyLoader(None)
    loader._policy_map = {name: f"arn:aws:iam::aws:policy/{name}" for name in MANAGED}
    found: dict[str, Any] = transform(json.loads(json.dumps(template)), {}, loader)
    return found


@cache
def translated_file(path: str, code: str = PACKAGES) -> dict[str, Any]:
    """A template of this repository, after `sam package` put what it names at `code`, and translated."""
    source = read((ROOT / path).read_text(encoding="utf-8"))
    for resource in source["Resources"].values():
        for name in {"CodeUri", "DefinitionUri", "Location", "TemplateURL"} & set(resource.get("Properties", {})):
            resource["Properties"][name] = code if name.endswith("Uri") else TEMPLATE
    folder = (ROOT / path).parent
    return translated(source, lambda location: (folder / location).read_text(encoding="utf-8"))


def _included(part: Any, fetch: Callable[[str], str]) -> Any:
    if isinstance(part, list):
        return [_included(one, fetch) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("Fn::Transform", {}).get("Name") == "AWS::Include":
        return read(fetch(part["Fn::Transform"]["Parameters"]["Location"]))
    return {key: _included(one, fetch) for key, one in part.items()}
