"""A client that an existing generator made from the contract works."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from build import contract
from tests.local_server import serving

API_KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that openapi-python-client writes."""
    directory = tmp_path_factory.mktemp("generated")
    (directory / "openapi.json").write_text(contract.served(), encoding="utf-8")
    command: list[str | Path] = [Path(sys.executable).parent / "openapi-python-client", "generate", "--meta", "none"]
    command += ["--path", directory / "openapi.json", "--output-path", directory / "generated_client"]
    # It tidies up with ruff.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    made = subprocess.run(command, cwd=directory, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warning" not in (made.stdout + made.stderr).lower(), made.stdout + made.stderr
    sys.path.insert(0, str(directory))
    import generated_client

    yield generated_client
    sys.path.remove(str(directory))


def test_a_generated_client_classifies_embeds_and_reads_errors(bundle_path: Path, client: ModuleType) -> None:
    from generated_client import models
    from generated_client.api.models import get_model, list_models
    from generated_client.api.texts import classify, embed

    def caller(key: str) -> Any:
        return client.AuthenticatedClient(url, key, prefix="", auth_header_name="x-api-key")

    with serving(bundle_path, FENLEI_API_KEY=API_KEY) as url, caller(API_KEY) as known, caller("another") as stranger:
        request = models.ClassifyRequest(texts=["东西质量很好，非常满意", "太差了，第二天就坏了"], explain=True)

        answer = classify.sync(client=known, body=request)
        assert [prediction.label for prediction in answer.predictions] == ["positive", "negative"]
        assert answer.predictions[0].explanation[0].start == 0

        vectors = embed.sync(client=known, body=models.EmbedRequest(text="很好"))
        (served,) = list_models.sync(client=known).models
        assert len(vectors.embeddings[0]) == served.embedding_width
        assert get_model.sync(served.name, client=known).version == answer.model.version

        refused = classify.sync(client=known, body=models.ClassifyRequest(text=" "))
        assert (refused.status, refused.errors[0].pointer) == (422, "/text")
        assert classify.sync(client=stranger, body=request).status == 403
