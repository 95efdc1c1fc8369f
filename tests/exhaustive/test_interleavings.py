"""Once no event is left, predictions and summary are of the current version, whatever happened in whatever order.

The proof is a search of all that can happen: tests/interleavings.py.
"""

from functools import cache

import pytest

from handler.files import objects
from handler.model.classifier import Classifier
from tests.interleavings import Scenario, Search

# Three versions of which two have the same bytes, refused ones, deletions, and buckets without versions.
SCENARIOS = {
    "the same content comes back": Scenario("ABA"),
    "the same content three times": Scenario("AAA"),
    "the newest is refused": Scenario("ABR"),
    "a refused one between two alike": Scenario("ARA"),
    "deleted, and put again": Scenario("AXA"),
    "put again, and deleted": Scenario("ABX", workers=2),
    "the current one is deleted for good": Scenario("ABA", deletes=True, workers=2),
    "in several parts": Scenario("AB", part_bytes=1),
    "without versions": Scenario("ABA", versioned=False, workers=2),
    "without versions, and a refused one": Scenario("ARA", versioned=False),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_once_no_event_is_left_the_outputs_are_of_the_current_version(
    scenario: Scenario, classifier: Classifier, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search = Search(scenario, classifier, monkeypatch)

    found = search.run()

    assert not found.fault, "\n".join(found.fault)
    assert found.ends >= len(scenario.versions) + 1  # after each version there may be nothing left to do
    with capsys.disabled():
        print(
            f"\n{scenario.versions}, {scenario.workers} workers: {found.states:,} states, {found.steps:,} steps "
            f"between, {search.interleavings():.1e} interleavings even if nothing goes wrong"
        )


def test_the_search_finds_what_goes_wrong_if_nobody_looks_again_at_the_end(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(Scenario("AB", deletes=True, workers=2), classifier, monkeypatch)
    look = objects.look
    once = cache(lambda _: look("in", "a.jsonl"))  # a worker that runs again has another client
    monkeypatch.setattr(objects, "look", lambda *_: once(search.client))

    found = search.run()

    assert found.fault[-1].endswith("the worker is done")
    assert "delete for good" in found.fault
