"""What the report shows of the worst mistakes, and of others on the same texts."""

import json
from collections.abc import Callable

import msgspec
from command import FAMILIES, Twice
from hypothesis import given
from hypothesis import strategies as st

from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from training.judging.report import PEERS, SHOWN_CHARACTERS, peers, pieces


@given(text=st.text(min_size=1, max_size=40), times=st.sampled_from([1, 20]))
def test_a_mistake_is_shown_whole_in_pieces_that_weigh_at_most_one(
    classifier: Classifier, text: str, times: int
) -> None:
    (prediction,) = classifier.explain([text * times])

    found = pieces(text * times, prediction)

    shown = "".join(piece.text for piece in found)
    assert (text * times).startswith(shown)
    assert len(shown) >= min(len(text * times), SHOWN_CHARACTERS)
    assert all(-1 <= piece.weight <= 1 for piece in found)


def test_mistakes_are_coloured_by_what_the_answer_went_by(trained_twice: Callable[[str], Twice]) -> None:
    report = (trained_twice(FAMILIES[0]).paths[0] / "report.html").read_text(encoding="utf-8")

    legend, *spans = report.split('<span class="for"')[1:]
    assert legend
    assert spans


def test_groups_and_numbers_are_not_held_beside_classifiers_of_the_same_texts(bundle: Bundle) -> None:
    known = next(iter(json.loads(PEERS.read_text(encoding="utf-8"))))
    manifest = msgspec.structs.replace(bundle.manifest, data={"test_fingerprint": known}, metrics={"accuracy": 0.9})
    groups = msgspec.structs.replace(manifest, metrics={"normalized_mutual_information": 0.5})

    assert peers(manifest)
    assert peers(groups) == []
