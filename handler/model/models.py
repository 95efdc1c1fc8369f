"""Which models are served, and which one answers when a request names none."""

import os
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from handler.drift import watch
from handler.errors import BundleError, NotFound
from handler.model.bundle import MANIFEST, Bundle, load
from handler.model.classifier import Classifier, Watch
from handler.model.golden import replay
from handler.model.prediction import Replay

if TYPE_CHECKING:
    from handler.model.registry import Registry

# Where the package build puts the bundle: beside the handler.
PACKAGED = Path(__file__).parents[2] / "model"
RETRY_SECONDS = 60.0


class Models:
    """The served models by name; the first is the default unless told otherwise."""

    def __init__(self, bundles: list[Bundle], default: str = "", watch: Watch | None = None) -> None:
        self._classifiers = {bundle.manifest.name: Classifier(bundle, watch=watch) for bundle in bundles}
        self.bundles = bundles
        if len(self._classifiers) < len(bundles):
            raise BundleError("Two bundles have the same name; train one of them again with another --name.")
        self.default = default or bundles[0].manifest.name
        if self.default not in self._classifiers:
            raise BundleError(f"The default model {default!r} is none of those served: {self._names()}.")

    def all(self) -> list[Classifier]:
        return list(self._classifiers.values())

    def get(self, name: str | None = None) -> Classifier:
        """Gives a classifier by its name, or NAME@VERSION, or the default one. Raises NotFound."""
        name = name or self.default
        if name in self._classifiers:
            return self._classifiers[name]
        for one in self.all():
            if name == f"{one.manifest.name}@{one.manifest.version}":
                return one
        raise NotFound(f"There is no model of that name; the models here are: {self._names()}.")

    def main(self) -> Classifier:
        """Gives the default model, where requests are shared out in its main version."""
        return self._classifiers[self.default]

    @cached_property
    def replays(self) -> list[Replay]:
        """What the golden texts give; run once, as they give the same again."""
        return [replay(self.get(bundle.manifest.name), bundle.golden()) for bundle in self.bundles]

    def warm(self) -> None:
        """Runs each model once, so that the first request does not pay for preparing it."""
        for classifier in self.all():
            classifier.answer(["。"])

    def prepare(self) -> None:
        """Runs all functions of all models: seconds, for a snapshot to keep."""
        for classifier in self.all():
            classifier.prepare()

    def _names(self) -> str:
        return ", ".join(sorted(self._classifiers))


def from_environment(environment: Mapping[str, str], watch: Watch | None = None) -> Models:
    """The models that MODEL_DIR names; DEFAULT_MODEL chooses among them. Raises BundleError."""
    return Models(bundles(environment), environment.get("DEFAULT_MODEL", ""), watch)


def bundles(environment: Mapping[str, str]) -> list[Bundle]:
    """Loads the bundles that MODEL_DIR names, separated as in PATH.

    An entry is a bundle, or a directory with one bundle in each of its directories. With MODEL_URI it is that bundle
    alone: see `handler.model.fetch`; with MODEL_REGISTRY what its pointer names. Raises BundleError.
    """
    if environment.get("MODEL_REGISTRY"):
        return _registry(environment).models.bundles
    if environment.get("MODEL_URI"):
        from handler.model.fetch import fetch  # most bundles are in the package

        return [load(fetch(environment))]
    found: list[Bundle] = []
    for entry in (environment.get("MODEL_DIR") or str(PACKAGED)).split(os.pathsep):
        path = Path(entry)
        inner = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
        found += [load(one) for one in inner or [path]]
    return found


def _registry(environment: Mapping[str, str], watch: Watch | None = None) -> "Registry":
    from handler.model.registry import Registry  # most bundles are in the package

    inner = {name: value for name, value in environment.items() if name != "MODEL_REGISTRY"}
    key = environment.get("MODEL_SIGNING_KEY", "")
    return Registry(environment["MODEL_REGISTRY"], lambda: from_environment(inner, watch), watch, key)


class _OfThisProcess:
    """The models of this process, loaded at the first call and watched.

    A failure is remembered: until RETRY_SECONDS later nothing is tried again, so that callers of a function whose
    bundle has another sha256 cannot make it download as often as they like. Raises BundleError.
    """

    def __init__(self) -> None:
        self.cache_clear()

    def cache_clear(self) -> None:
        """Forgets what was loaded."""
        self._loaded: Models | None = None
        self.registry: Registry | None = None
        self._failure, self._failed = "", 0.0

    def __call__(self) -> Models:
        if self.registry:
            self.registry.look()
            return self.registry.models
        if self._loaded:
            return self._loaded
        # A copy of a snapshot may wake up on a machine whose clock is behind.
        if self._failure and 0 <= time.monotonic() - self._failed < RETRY_SECONDS:
            raise BundleError(self._failure)
        try:
            if os.environ.get("MODEL_REGISTRY"):
                self.registry = _registry(os.environ, watch)
                return self.registry.models
            self._loaded = from_environment(os.environ, watch)
        except BundleError as error:
            self._failure, self._failed = str(error), time.monotonic()
            raise
        return self._loaded

    def prepare(self) -> None:
        """Makes ready for a snapshot: all functions of all models have run, and no connection is open."""
        self().prepare()
        if self.registry:
            self.registry.close()

    def restored(self) -> None:
        """Catches up with what happened since the snapshot."""
        if self.registry:
            self.registry.restored()


models = _OfThisProcess()
