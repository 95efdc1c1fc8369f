"""The package as `sam build` makes it, run by `sam local` in a container."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from cloud import OUT, cloud
from sam import ENVIRONMENT, SAM, run
from support import ROOT

from build import contract


def test_the_template_is_valid() -> None:
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    checked = run(SAM, "validate", "--lint")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_package_holds_what_serves_and_nothing_else(package: Path) -> None:
    names = {path.name for path in package.iterdir()}
    assert {"handler", "model", "ai_edge_litert", "numpy", "tokenizers"} <= names
    assert not names & {"tensorflow", "keras", "training", "boto3", "huggingface_hub", "tests"}
    assert {path.name for path in (package / "model").iterdir()} == {
        "manifest.json",
        "model.tflite",
        "tokenizer.json",
        "golden.jsonl",
    }
    assert {path.name for path in (package / "handler/https/static").iterdir()} == {
        "docs.html",
        "openapi.json",
        "playground.html",
    }
    assert json.loads((package / "handler/https/static/openapi.json").read_text(encoding="utf-8")) == CONTRACT


def test_every_module_of_the_package_has_bytecode_that_is_never_checked(package: Path) -> None:
    sources = [path for path in package.rglob("*.py") if path.stat().st_size]
    assert len(sources) > 100
    for source in sources:
        bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        # PEP 552: bit 0 of the flags says hash-based, bit 1 whether the source is checked.
        assert int.from_bytes(bytecode.read_bytes()[4:8], "little") == 0b01, source


@pytest.mark.usefixtures("package", "container_image")
def test_sam_local_invoke_answers_with_predictions() -> None:
    invoked = run(SAM, "local", "invoke", "ApiFunction", "-e", "tests/events/classify.json", "--skip-pull-image")
    response = json.loads(invoked.stdout.strip().splitlines()[-1])
    assert response["statusCode"] == 200, invoked.stderr
    labels = [prediction["label"] for prediction in json.loads(response["body"])["predictions"]]
    assert labels == ["positive", "negative", "positive", "negative"]


@pytest.mark.usefixtures("package", "container_image")
def test_sam_local_invoke_classifies_an_object_in_s3(tmp_path: Path) -> None:
    # GIVEN a stand-in for S3 where a container can reach it, with the object that the event names; a new engine does
    # not name the gateway of its network, which has the first address
    subnet = run("docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Subnet}}").stdout.strip()
    with cloud(str(ip_network(subnet)[1])) as aws:
        aws.put("reviews/一 月.jsonl", '{"id": 7, "text": "东西质量很好，非常满意"}\n{"text": "太差了"}\n{\n'.encode())
        variables = {"BatchFunction": {"AWS_ENDPOINT_URL": aws.url, "OUTPUT_BUCKET": OUT}}
        (tmp_path / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
        options = ["-e", "tests/events/s3-put.json", "--env-vars", tmp_path / "variables.json", "--skip-pull-image"]

        invoked = run(SAM, "local", "invoke", "BatchFunction", *options)

        assert "errorType" not in invoked.stdout, invoked.stderr
        lines = [json.loads(line) for line in aws.get("reviews/一 月.jsonl.predictions.jsonl").splitlines()]
        assert [line.get("label", line.get("error")) for line in lines] == [
            "positive",
            "negative",
            "the line is not JSON",
        ]
        assert aws.summary("reviews/一 月.jsonl")["status"] == "complete"


@pytest.fixture(scope="module")
def local_api(package: Path, container_image: None) -> Iterator[str]:  # noqa: ARG001
    """`sam local start-api`: the template's gateway and the package, emulated."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [SAM, "local", "start-api", "--skip-pull-image", "--warm-containers", "EAGER", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            assert any("Press CTRL+C to quit" in line for line in process.stderr)
            # Nobody else reads what it says from here on, and a full pipe would stop it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield url
        finally:
            process.terminate()  # it removes its containers


CONTRACT = json.loads(contract.served())
OPERATIONS = [
    (path, method)
    for path, item in CONTRACT["paths"].items()
    for method in item
    if method in ("get", "post", "options")
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_sam_local_start_api_serves_every_route(local_api: str, path: str, method: str) -> None:
    operation = CONTRACT["paths"][path][method]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")

    response = httpx.request(method, local_api + path.replace("{name}", "reviews-zh"), json=body, timeout=60)

    assert str(response.status_code) in operation["responses"]
    answered = 404 if path == "/v1/feedback" else 200  # as the template comes, no feedback is kept
    assert response.status_code == (204 if method == "options" else answered), response.text
    if method != "options" and answered == 200:
        (media,) = operation["responses"]["200"]["content"]
        assert response.headers["content-type"].startswith(media)


def test_sam_local_start_api_answers_head_and_refuses_other_methods(local_api: str) -> None:
    assert httpx.head(f"{local_api}/health", timeout=60).status_code == 200
    refused = httpx.delete(f"{local_api}/v1/models", timeout=60)
    assert (refused.status_code, refused.json()["status"]) == (405, 405)


def test_the_gateway_calls_the_alias_whose_versions_have_snapshots(tmp_path: Path) -> None:
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    # GIVEN the template with what it includes, as AWS's own transform sees it
    code = """
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

template, openapi = (yaml_parse(open(name, encoding="utf-8")) for name in ("template.yaml", "infra/gateway.yaml"))
template["Resources"]["Api"]["Properties"]["DefinitionBody"] = openapi
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
policies = type("Policies", (), {"load": dict})()
json.dump(transform(template, {}, policies)["Resources"], open(sys.argv[1], "w", encoding="utf-8"))
"""
    out = tmp_path / "resources.json"

    done = run(SAM.parent / "python", "-c", code, out)

    assert done.returncode == 0, done.stderr
    resources = json.loads(out.read_text(encoding="utf-8"))
    function = resources["ApiFunction"]["Properties"]
    alias = resources["ApiFunctionAliaslive"]["Properties"]
    assert function["SnapStart"] == {"ApplyOn": {"Ref": "SnapStart"}}
    assert alias["FunctionVersion"]["Fn::GetAtt"][0].startswith("ApiFunctionVersion")
    assert resources["ApiMayCallFunction"]["Properties"]["FunctionName"] == {"Ref": "ApiFunctionAliaslive"}
    body = json.dumps(resources["Api"]["Properties"]["Body"])
    assert "functions/${ApiFunctionAliaslive}/invocations" in body
    assert "${ApiFunction.Arn}" not in body
