"""What the template promises about files in S3, beyond what cfn-lint can see."""

from typing import Any

import pytest
import yaml
from support import ROOT

from handler.records import SUFFIXES


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
