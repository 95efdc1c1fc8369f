"""A pointer that must be signed by a key of KMS, moto's: who may write to the bucket does not yet decide."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cloud import IN, Cloud, refuse, refusing
from msgspec.structs import replace
from registries import WHERE, answered_by, health, point_at, publish, versions

from handler.model.bundle import Bundle
from handler.model.models import models
from handler.model.pointer import Place, Pointer, Signature
from training.errors import WorkError
from training.shipping import registry

pytest.importorskip("cryptography")  # which moto's keys need


@pytest.fixture
def key(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key of KMS that functions know."""
    made = make_key(aws)
    monkeypatch.setenv("MODEL_SIGNING_KEY", made)
    return made


def make_key(aws: Cloud) -> str:
    made = aws.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    return str(made["KeyMetadata"]["Arn"])


def publish_signed(bundle: Bundle, key: str, where: Place = WHERE) -> Pointer:
    return registry.publish(where, bundle, 100, {"macro_f1": 0.1 + 0.2}, registry.find(where), key)


def put(aws: Cloud, pointer: Pointer) -> None:
    aws.client("s3").put_object(Bucket=IN, Key=WHERE.pointer, Body=msgspec.json.encode(pointer))


def test_what_was_signed_answers_and_later_publishing_signs_by_the_same_key(
    key: str, follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    publish_signed(bundles["a"], key)
    found = follow()
    assert health() == [(*versions(bundles, "a"), 100, "answers")]

    assert isinstance(publish(bundles["b"], share=10).signature, Signature)
    found.refresh()
    assert [weight for _, weight, _ in health()] == [90, 10]
    registry.roll_back(WHERE, registry.find(WHERE))
    found.refresh()
    assert health() == [(*versions(bundles, "a"), 100, "answers")]


Change = Callable[[Cloud, dict[str, Bundle], str], None]


def altered(aws: Cloud, bundles: dict[str, Bundle], key: str) -> None:
    pointer = publish_signed(bundles["b"], key)
    put(aws, replace(pointer, serving=[replace(pointer.serving[0], by="somebody else")]))


def signed_by_another_key(aws: Cloud, bundles: dict[str, Bundle], _: str) -> None:
    publish_signed(bundles["b"], make_key(aws))


def signed_for_another_registry(aws: Cloud, bundles: dict[str, Bundle], key: str) -> None:
    other = Place(IN, "models/other/")
    pointer = publish_signed(bundles["b"], key, other)
    served = pointer.serving[0]
    source = {"Bucket": IN, "Key": other.bundle(served.sha256)}
    aws.client("s3").copy_object(Bucket=IN, Key=WHERE.bundle(served.sha256), CopySource=source)
    put(aws, pointer)


def with_another_s_signature(aws: Cloud, bundles: dict[str, Bundle], key: str) -> None:
    signed = registry.find(WHERE).pointer
    assert signed
    point_at(aws, bundles["b"], signature=signed.signature)
    assert key


BAD: dict[str, Change] = {
    "not signed": lambda aws, bundles, _: point_at(aws, bundles["b"]),
    "altered": altered,
    "by another key": signed_by_another_key,
    "for another registry": signed_for_another_registry,
    "with the signature of what was before": with_another_s_signature,
    "with a signature that is none": lambda aws, bundles, key: point_at(
        aws, bundles["b"], signature=Signature(key, b"none")
    ),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_a_pointer_that_the_key_did_not_sign_is_refused_and_what_answered_goes_on(
    change: Change, key: str, aws: Cloud, follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    publish_signed(bundles["c"], key)
    found = follow()
    change(aws, bundles, key)
    found.refresh()

    assert health() == [(*versions(bundles, "c"), 100, "answers")]
    assert answered_by() == versions(bundles, "c")[0]
    # A start has nothing else than what is packaged.
    follow()
    assert answered_by() == versions(bundles, "a")[0]
    # WHEN it is published as it should be THEN it is taken up
    publish_signed(bundles["b"], key)
    models.registry.refresh()
    assert answered_by() == versions(bundles, "b")[0]


def test_while_kms_does_not_answer_nothing_new_is_taken_up(
    key: str, aws: Cloud, follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    publish_signed(bundles["c"], key)
    found = follow()
    publish_signed(bundles["b"], key)
    asked = []

    def fault(environ: dict[str, Any], start_response: Any, _: Any) -> Any:
        if not environ.get("HTTP_X_AMZ_TARGET", "").endswith(".Verify"):
            return None
        asked.append("")
        return refuse(start_response, 503, "KMSInternalException")

    aws.fault = fault
    found.refresh()
    assert asked
    assert answered_by() == versions(bundles, "c")[0]

    aws.fault = None
    found.refresh()
    assert answered_by() == versions(bundles, "b")[0]


def test_a_key_that_may_not_be_used_is_one_sentence(aws: Cloud, bundles: dict[str, Bundle]) -> None:
    with pytest.raises(WorkError, match=r"live\.json cannot be signed by alias/nobody"):
        publish_signed(bundles["a"], "alias/nobody")
    assert registry.find(WHERE).pointer is None
    aws.fault = refusing("/", 403, "AccessDenied")
    with pytest.raises(WorkError):
        publish(bundles["a"])


def test_without_a_key_a_signature_is_not_looked_at(
    aws: Cloud, follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    publish_signed(bundles["b"], make_key(aws))
    follow()

    assert answered_by() == versions(bundles, "b")[0]
