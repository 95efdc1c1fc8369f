"""An encoder by name: `owner/name`, or `owner/name@revision`, from the Hugging Face hub, as its own library fetches it.

What that library heeds holds here too: its cache, HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN. Only what is read is fetched,
the configuration first, so that an architecture that is not supported costs a second; pickles are not.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from training.encoders.checkpoint import Checkpoint, open_checkpoint
from training.encoders.configuration import read_json, shape_of
from training.encoders.prefix import SETTINGS
from training.encoders.weights import CONVERT, INDEX
from training.errors import InputError

NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
CONFIGURATION = ["config.json"]
WEIGHTS = ["model.safetensors", "model-*.safetensors", INDEX]
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]


class Hub(NamedTuple):
    """Where models are fetched from and kept; by default as the library says."""

    endpoint: str | None = None
    cache: Path | None = None


def open_named(named: str, layers: int | None = None, hub: Hub = Hub()) -> Checkpoint:  # noqa: B008 # it is immutable
    """Opens a directory, or else what the hub has under that name. Raises InputError that says what is wrong."""
    directory = Path(named)
    if directory.is_dir():
        return open_checkpoint(directory, layers)
    found = NAME.fullmatch(named)
    if not found:
        raise InputError(
            f"{named} is not a directory; --checkpoint names one with config.json and model.safetensors, or a model of "
            "the Hugging Face hub: owner/name, or owner/name@revision."
        )
    name, revision = found["name"], found["revision"] or "main"
    snapshot = _fetch(name, revision, CONFIGURATION, hub)
    shape_of(snapshot / "config.json", read_json(snapshot / "config.json"))
    snapshot = _fetch(name, snapshot.name, [*CONFIGURATION, *WEIGHTS, *TOKENIZER, SETTINGS], hub)
    if not any(snapshot.glob("*.safetensors")):
        raise InputError(
            f"{name} has no weights in safetensors, and others, such as pickles, are not loaded; {CONVERT}"
        )
    return open_checkpoint(snapshot, layers, name, snapshot.name)


def _fetch(name: str, revision: str, patterns: Sequence[str], hub: Hub) -> Path:
    """The directory of a revision, named by its commit, with these files. Raises InputError if it is not to be had."""
    from huggingface_hub import errors, snapshot_download

    try:
        fetched = snapshot_download(
            name, revision=revision, allow_patterns=list(patterns), endpoint=hub.endpoint, cache_dir=hub.cache
        )
    except errors.GatedRepoError:
        reason = "its authors ask for consent: give it on the model's page, and a token in HF_TOKEN"
    except errors.RepositoryNotFoundError:
        reason = (
            "there is neither such a directory nor such a model on the hub, or it is private and HF_TOKEN is missing"
        )
    except errors.RevisionNotFoundError:
        reason = f"it has no revision {revision!r}; leave the part after @ out for the newest"
    except errors.HFValidationError as error:
        reason = _first_line(error)
    except errors.LocalEntryNotFoundError:
        reason = (
            "the hub does not answer, and it is not in the cache; check the network, HF_ENDPOINT and HF_HUB_OFFLINE"
        )
    except OSError as error:
        reason = f"it cannot be fetched or kept ({error.strerror or _first_line(error)}); try again, or set HF_HOME"
    except Exception as error:  # whatever carries it raises errors of its own
        reason = f"the connection failed ({_first_line(error)}); try again, it goes on where it was"
    else:
        return Path(fetched)
    raise InputError(f"--checkpoint {name}: {reason}.") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
