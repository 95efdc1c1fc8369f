"""CodeDeploy's pre-traffic hook: refuses a new version that does not answer as its model did where it was trained.

The golden texts go to the new version as requests, so that all that a caller meets is in the test: the package, the
tokenizer, the model, the labels and the answer's form. The old version keeps all traffic until the verdict is in.
"""

import os
from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec

from handler.errors import FenleiError
from handler.https.schema import MAX_CHARACTERS, ClassifyRequest, ClassifyResponse
from handler.model.bundle import Bundle
from handler.model.golden import compare, healthy
from handler.model.models import bundles
from handler.model.prediction import Prediction
from handler.observability import log_error, logger

# However long the texts are, this many stay within what a body may hold.
TEXTS = 16


class ReplayError(FenleiError):
    """The new version does not answer as it should; the old one goes on."""


def lambda_handler(event: dict[str, str], _: Any) -> dict[str, str]:
    """Replays, and tells CodeDeploy the verdict; whatever goes wrong is a refusal."""
    import boto3

    try:
        for bundle in bundles(os.environ):
            check(bundle, os.environ["NEW_VERSION"])
        status = "Succeeded"
    except Exception as error:
        log_error(error, deployment=event["DeploymentId"])
        status = "Failed"
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return {"status": status}


def check(bundle: Bundle, function: str) -> None:
    """Replays a bundle's golden texts in a version of the function. Raises ReplayError."""
    golden = bundle.golden()
    texts = [one.text[:MAX_CHARACTERS] for one in golden]
    batches = (texts[start : start + TEXTS] for start in range(0, len(texts), TEXTS))
    predictions = list(chain.from_iterable(_answers(bundle, function, batch) for batch in batches))
    replayed = compare(bundle.manifest, golden, predictions)
    logger.info("replayed", extra={"replay": msgspec.to_builtins(replayed), "version": bundle.manifest.version})
    if any(one.label is msgspec.UNSET for one in golden) and bundle.manifest.labels:
        logger.warning("This bundle's golden texts do not name their labels, so that an exchange of them cannot show.")
    if not healthy(replayed):
        raise ReplayError(
            f"The new version gives {replayed.same_answers} of the {replayed.texts} golden texts of {replayed.model!r} "
            f"the answer that they had in training, and is {replayed.mean_difference} off on average; train or build "
            "the bundle again."
        )


def _answers(bundle: Bundle, function: str, texts: list[str]) -> Iterator[Prediction]:
    import boto3

    model = f"{bundle.manifest.name}@{bundle.manifest.version}"  # of a registry two versions may answer
    body = msgspec.json.encode(ClassifyRequest(texts=texts, model=model)).decode()
    event = {
        "httpMethod": "POST",
        "path": "/v1/classify",
        "headers": {"content-type": "application/json"},
        "body": body,
    }
    answered = boto3.client("lambda").invoke(FunctionName=function, Payload=msgspec.json.encode(event))
    response = msgspec.json.decode(answered["Payload"].read())
    if "statusCode" not in response:
        raise ReplayError(f"The new version fails: {response.get('errorType', 'no reason was given')}; see its log.")
    if response["statusCode"] == 404:
        raise ReplayError("The new version serves another model than the one that this hook was deployed with.")
    if response["statusCode"] != 200:
        raise ReplayError(f"The new version answers {response['statusCode']} to golden texts; see its log.")
    yield from msgspec.json.decode(response["body"], type=ClassifyResponse).predictions
