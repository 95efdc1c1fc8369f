"""Other scripts: the messages of programs, to be told by the catalogue that they stand in; LinearSVC beside.

The catalogues are those of the programs on this machine, in the format of gettext; languages without are left out.
"""

import gettext
from pathlib import Path

import numpy as np

from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import linear_svc, on, trained_on
from training.data.read import Example
from training.data.split import core
from training.data.tokenizer import UNKNOWN_ID

LOCALES = Path("/usr/share/locale")
LANGUAGES = ("ja", "ar", "th", "ru", "ko", "he", "zh_TW")
CATALOGUES = ("gtk30", "gtk30-properties", "iso_3166", "iso_639")
MOST, LEAST, TEST_SHARE = 250, 60, 0.3


def measure(data: Path) -> list[Row]:  # noqa: ARG001
    figures = [figure for figure in map(of_language, LANGUAGES) if figure]
    if not figures:
        return []
    own, peer, unknown = np.mean([figure[1:] for figure in figures], axis=0).tolist()
    each = ", ".join(f"{language} {percent(a)} and {percent(b)}" for language, a, b, _ in figures)
    return [
        Row(
            "other scripts: messages by their catalogue",
            "1.3 to 4.3 points under LinearSVC, 5 to 7 % of tokens unknown",
            f"{percent(own)} %, {percent(unknown)} % of tokens unknown",
            f"LinearSVC {percent(peer)} % ({each})",
            "even or better",
            own >= peer,
        )
    ]


def of_language(language: str) -> tuple[str, float, float, float] | None:
    """The accuracy of the default family and of LinearSVC, and the share of tokens that are unknown."""
    examples = messages(language)
    if len({example.label for example in examples}) < 2:
        return None
    generator = np.random.default_rng(0)
    chosen = generator.random(len(examples)) < TEST_SHARE
    test = [example for example, here in zip(examples, chosen, strict=True) if here]
    train = [example for example, here in zip(examples, chosen, strict=True) if not here]
    trained = trained_on(train)
    summary = on(trained, test)
    answers = linear_svc(train, test, characters=True, least=1)
    peer = float(np.mean([answer == example.label for answer, example in zip(answers, test, strict=True)]))
    return language, summary["accuracy"], peer, unknown_share(trained.bundle.tokenizer, test)


def unknown_share(tokenizer: str, examples: list[Example]) -> float:
    from tokenizers import Tokenizer

    ids = [i for e in examples for i in Tokenizer.from_str(tokenizer).encode(e.text, add_special_tokens=False).ids]
    return ids.count(UNKNOWN_ID) / max(1, len(ids))


def messages(language: str) -> list[Example]:
    """The translated messages of each catalogue that has enough of them, each once."""
    found: list[Example] = []
    seen: set[str] = set()
    for catalogue in CATALOGUES:
        path = LOCALES / language / "LC_MESSAGES" / f"{catalogue}.mo"
        if not path.exists():
            continue
        with path.open("rb") as file:
            translations = gettext.GNUTranslations(file)
        texts = [text for key, text in sorted(vars(translations)["_catalog"].items(), key=repr) if key and text != key]
        fresh = list({core(text): text for text in texts if core(text) not in seen}.values())
        seen |= set(map(core, fresh))
        generator = np.random.default_rng(0)
        kept = [fresh[i] for i in generator.permutation(len(fresh))[:MOST].tolist()]
        if len(kept) >= LEAST:
            found += [Example(" ".join(text.split()), catalogue) for text in kept]
    return found
