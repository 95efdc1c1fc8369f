"""A pre-trained encoder's bundle on its way to Lambda: packaged, under the emulator, and run by `sam local`."""

import json
import os
import sys
from pathlib import Path

import pytest
from checkpoints import write_checkpoint
from sam import SAM, run
from support import Start

from handler.model.bundle import Bundle, load
from training.commands.serve import proxy_event


@pytest.fixture(scope="module")
def encoder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that FENLEI_ENCODER names, or one of a tiny encoder, whose head alone was trained."""
    if "FENLEI_ENCODER" in os.environ:
        return Path(os.environ["FENLEI_ENCODER"]).absolute()
    directory = tmp_path_factory.mktemp("encoder")
    labels = bundle.manifest.labels
    rows = [{"text": g.text, "label": labels[g.probabilities.index(max(g.probabilities))]} for g in bundle.golden()]
    texts = directory / "texts.jsonl"
    texts.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    options = [
        "--checkpoint",
        write_checkpoint(directory / "tiny", "mpnet", longest=16),
        "--tune",
        "head",
        "--no-refit",
    ]
    trained = run(Path(sys.executable).with_name("fenlei"), "train", texts, *options, "-o", directory / "large")
    assert trained.returncode == 0, trained.stderr
    return directory / "large"


def request(path: str, bundle: Bundle) -> dict[str, object]:
    texts = [golden.text for golden in bundle.golden()[:20]]
    return proxy_event("POST", path, {"content-type": "application/json"}, json.dumps({"texts": texts}).encode())


def check(response: dict[str, object], bundle: Bundle) -> None:
    """The answers are those of training."""
    assert response["statusCode"] == 200, response
    body = json.loads(str(response["body"]))
    assert body["model"]["version"] == bundle.manifest.version
    for golden, prediction in zip(bundle.golden(), body["predictions"], strict=False):
        found = {score["label"]: score["score"] for score in prediction["scores"]}
        assert [found[label] for label in bundle.manifest.labels] == pytest.approx(golden.probabilities, abs=0.1)


def test_it_answers_and_embeds_under_the_emulator(encoder: Path, start: Start, tmp_path: Path) -> None:
    bundle = load(encoder)
    with start(encoder, tmp_path / "log") as function:
        check(function.invoke(request("/v1/classify", bundle)), bundle)
        embedded = json.loads(function.invoke(request("/v1/embed", bundle))["body"])["embeddings"]

    assert {len(vector) for vector in embedded} == {bundle.manifest.embedding_width}


@pytest.mark.usefixtures("container_image")
def test_it_answers_from_its_package_by_sam_local_invoke(encoder: Path, tmp_path: Path) -> None:
    bundle = load(encoder)
    built = run("env", f"MODEL={encoder}", SAM, "build", "ApiFunction", "--build-dir", tmp_path / "build")
    assert built.returncode == 0, built.stderr
    assert "golden texts answered as in training" in built.stderr + built.stdout
    event = tmp_path / "event.json"
    event.write_text(json.dumps(request("/v1/classify", bundle)), encoding="utf-8")
    template = tmp_path / "build/template.yaml"

    invoked = run(SAM, "local", "invoke", "ApiFunction", "-t", template, "-e", event, "--skip-pull-image")

    check(json.loads(invoked.stdout.strip().splitlines()[-1]), bundle)
