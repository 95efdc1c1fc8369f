"""What the template promises about files in S3 and large models, beyond what cfn-lint can see."""

import json
from typing import Any

import pytest
import yaml
from cloudformation import AS_IT_COMES, chosen
from support import ROOT

from build.targets import AMAZON_LINUX_2023, TARGETS
from handler.files.records import SUFFIXES
from handler.model.bundle import Needs
from training.commands.deploying import RUNTIMES
from training.shipping.needs import parameters


class Loader(yaml.SafeLoader):
    """Reads `!Ref x` and the like as what follows the tag."""


def _inner(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", _inner)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)
RESOURCES = TEMPLATE["Resources"]


def test_the_queue_waits_six_times_as_long_as_the_function_may_take() -> None:
    timeouts = TEMPLATE["Parameters"]["BatchTimeout"]["AllowedValues"]
    visibility = {timeout: found["Visibility"] for timeout, found in TEMPLATE["Mappings"]["Queue"].items()}
    assert visibility == {timeout: 6 * int(timeout) for timeout in timeouts}


def test_the_rules_know_the_suffixes_that_the_function_knows() -> None:
    def keys(rule: str) -> Any:
        return RESOURCES[rule]["Properties"]["EventPattern"]["detail"]["object"]["key"]

    assert {key["suffix"]["equals-ignore-case"] for key in keys("TextsArrived")} == set(SUFFIXES)
    assert set(keys("OthersArrived")[0]["anything-but"]["suffix"]) == set(SUFFIXES)


@pytest.mark.parametrize("name", ["InputBucket", "OutputBucket"])
def test_a_bucket_is_versioned_encrypted_private_and_cleaned(name: str) -> None:
    bucket = RESOURCES[name]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert any("AbortIncompleteMultipartUpload" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])
    (statement,) = RESOURCES[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": False}})


def test_nothing_but_the_input_bucket_leads_to_the_function() -> None:
    assert "NotificationConfiguration" in RESOURCES["InputBucket"]["Properties"]
    assert "NotificationConfiguration" not in RESOURCES["OutputBucket"]["Properties"]
    assert list(RESOURCES["BatchFunction"]["Properties"]["Events"]) == ["Texts"]


def test_every_function_that_loads_the_bundle_finds_it_where_model_uri_says() -> None:
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["MODEL_URI"] == "ModelUri"
    functions = {n: r["Properties"] for n, r in RESOURCES.items() if r["Type"] == "AWS::Serverless::Function"}
    assert set(functions) == {"ApiFunction", "BatchFunction", "ReplayFunction"}


# --- what a stranger can spend ----------------------------------------------------------------------

IMPORTED = yaml.safe_load((ROOT / "infra/gateway.yaml").read_text(encoding="utf-8"))
GATEWAY = chosen(IMPORTED, **AS_IT_COMES)["paths"]
METHODS = [
    (path, name, one)
    for path, methods in GATEWAY.items()
    for name, one in methods.items()
    if "x-amazon-apigateway-integration" in one
]


def test_a_call_that_needs_no_key_gets_little_and_the_others_are_named() -> None:
    keyed = {(path, method.upper()) for path, method, one in METHODS if one["security"] and not method.startswith("x-")}
    image = yaml.load((ROOT / "infra/image.yaml").read_text(encoding="utf-8"), Loader)["Resources"]["Api"]["Properties"]
    for properties, low, high in ((RESOURCES["Api"]["Properties"], "OpenRate", "StageRate"), (image, 5, 200)):
        everything, *named = properties["MethodSettings"]
        assert (everything["ResourcePath"], everything["HttpMethod"]) == ("/*", "*")
        assert everything["ThrottlingRateLimit"] == low
        assert {(one["ResourcePath"][1:].replace("~1", "/"), one["HttpMethod"]) for one in named} == keyed
        assert {one["ThrottlingRateLimit"] for one in named} == {high}


def test_what_is_said_of_all_methods_is_said_of_those_that_are_named() -> None:
    everything, *named = RESOURCES["Api"]["Properties"]["MethodSettings"]

    for one in named:
        for setting in ("MetricsEnabled", "LoggingLevel", "DataTraceEnabled"):
            assert one[setting] == everything[setting]


def test_the_api_s_function_is_bounded_and_has_room_for_what_a_plan_lets_through_at_once() -> None:
    defaults = {name: one.get("Default") for name, one in TEMPLATE["Parameters"].items()}

    assert RESOURCES["ApiFunction"]["Properties"]["ReservedConcurrentExecutions"][1] == "ReservedConcurrency"
    assert defaults["ReservedConcurrency"] >= defaults["StandardBurst"]
    assert defaults["OpenRate"] < defaults["StandardRate"] < defaults["StageRate"]


def test_the_bounds_of_the_bill_are_those_that_the_threat_model_names() -> None:
    told = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
    prices = json.loads((ROOT / "training/commands/prices.json").read_text(encoding="utf-8"))
    defaults = {name: one.get("Default") for name, one in TEMPLATE["Parameters"].items()}
    opened = [one["x-amazon-apigateway-integration"]["type"] for _, _, one in METHODS if not one["security"]]
    gigabytes, day = defaults["ApiMemory"] / 1024, 24 * 3600
    function = defaults["ReservedConcurrency"] * gigabytes * day * prices["lambda_gb_second"]["x86_64"]
    a_second = len(opened) * defaults["OpenRate"]
    gateway = a_second * day * prices["rest_api_request"]

    assert f"at most {function:.0f} dollars a day" in told
    assert f"{len(opened)} methods are open, {opened.count('mock')} of which" in told
    assert f"{a_second} requests a second in all, {gateway:.0f} dollars a day" in told


def test_what_the_whole_account_logs_with_outlives_the_stack() -> None:
    for name in ("GatewayLogRole", "GatewayAccount"):
        assert (RESOURCES[name]["DeletionPolicy"], RESOURCES[name]["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_parameters_that_a_bundle_s_needs_give_are_there() -> None:
    image = yaml.load((ROOT / "infra/image.yaml").read_text(encoding="utf-8"), Loader)["Parameters"]
    for name, value in parameters(Needs(6800, 20.0, 9.0)).items():
        assert TEMPLATE["Parameters"][name]["MinValue"] <= value <= TEMPLATE["Parameters"][name]["MaxValue"]
        assert image[name]["MaxValue"] == TEMPLATE["Parameters"][name]["MaxValue"]


def test_a_package_can_be_made_for_each_python_that_functions_may_have() -> None:
    runtimes = TEMPLATE["Parameters"]["Runtime"]["AllowedValues"]

    assert tuple(runtimes) == RUNTIMES
    assert all(TARGETS[name].system == AMAZON_LINUX_2023 for name in runtimes)
