"""Does it work on this machine? Trains, classifies and serves in small, in under a minute: `make smoke`.

    python -m tests.smoke

FENLEI_BUNDLE names a bundle that was made elsewhere, where this Python cannot train; it has to know what is positive.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.local_server import serving

TEXTS = {"东西质量很好，非常满意": "positive", "太差了，坏了，要退货": "negative"}


def write_texts(path: Path) -> None:
    """Two hundred lines that anything can learn."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for number in range(100):
            writer.writerow((f"东西质量很好，第 {number} 次买，非常满意", "positive"))
            writer.writerow((f"太差了，第 {number} 天就坏了，要退货", "negative"))


def fenlei(*words: str | Path) -> list[str]:
    """What a command says, a line each; if it fails, that is the end."""
    print(f"==> fenlei {words[0]}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "fenlei", *words], stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    if done.returncode:
        sys.exit(f"error: fenlei {words[0]} ended with exit status {done.returncode}; what it said stands above")
    return done.stdout.splitlines()


def expect(step: str, found: object, expected: object) -> None:
    if found != expected:
        sys.exit(f"error: fenlei {step} should have given {expected}, and gave {found}")


def served(bundle: Path) -> list[str]:
    """The labels that the server answers with."""
    print("==> fenlei serve", flush=True)
    with serving(bundle) as url:
        body = json.dumps({"texts": list(TEXTS)}).encode()
        request = urllib.request.Request(f"{url}/v1/classify", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return [prediction["label"] for prediction in json.load(response)["predictions"]]


def main() -> None:
    # In a name of such a kind, because paths of users have spaces and letters.
    with tempfile.TemporaryDirectory(prefix="我的 texts ") as temporary:
        texts, bundle, predictions = (Path(temporary, name) for name in ("labelled.csv", "model", "predictions"))
        write_texts(texts)
        if given := os.environ.get("FENLEI_BUNDLE"):
            bundle = Path(given)
        else:
            fenlei("train", texts, "--family", "logistic", "--output", bundle)
        labels = list(TEXTS.values())
        expect("classify", [json.loads(line)["label"] for line in fenlei("classify", bundle, *TEXTS, "--json")], labels)
        fenlei("batch", bundle, texts, "--output", predictions)
        lines = (predictions / "labelled.csv.predictions.jsonl").read_text(encoding="utf-8").splitlines()
        expect("batch", [json.loads(line)["label"] for line in lines], labels * 100)
        expect("serve", served(bundle), labels)
    print("It works on this machine.")


if __name__ == "__main__":
    main()
