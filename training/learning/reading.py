"""Texts as a network reads them: a tokenizer fitted or brought along, and the token ids of each part."""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
from tokenizers import Tokenizer

from training.data.audit import Finding, script_of
from training.data.read import Example
from training.data.split import Splits
from training.data.tokenizer import LETTERS, train_tokenizer
from training.learning.folds import FEW_TEXTS
from training.learning.job import Encoded, Family, Spec
from training.learning.tasks import Task

# Fewer texts that are cut cost n-grams nothing: 4 % of them at 256 tokens, on reviews.
LONG_SHARE = 0.05
# Which `mixed` reads well where texts are few: in pieces that stand in other texts too, or a character at a time.
READ_WELL = {"Latin", "Han", "Hangul", "Thai"}
SPELLED = "few texts, in a script whose words change much: read letter by letter, since pieces seldom stand in two"
# From here on it is said how many are cut.
TOLD_SHARE = 0.01


class Read(NamedTuple):
    """The texts as token ids, by part, and what read them; `cut` is how many of the training texts are longer."""

    tokenizer: Tokenizer
    train: Encoded
    dev: Encoded
    test: Encoded
    spec: Spec
    cut: int


def suited(family: Family, texts: Sequence[str]) -> Family:
    """The family, reading letter by letter where it would read few texts in pieces, and most letters are of scripts
    whose words change much: pieces of words are too rare there; of Japanese messages, those of the Latin words in them.
    """
    few = family.tokenizer == "mixed" and family.crossed and len(texts) < FEW_TEXTS
    return family._replace(tokenizer=LETTERS) if few and _of_other_scripts(texts) else family


def _of_other_scripts(texts: Sequence[str]) -> bool:
    counts = Counter(character for text in texts for character in text if character.isalpha())
    others = sum(count for letter, count in counts.items() if script_of(normalize("NFKC", letter)[0]) not in READ_WELL)
    return 2 * others > counts.total()


def read_texts(family: Family, task: Task, splits: Splits) -> Read:
    """Fits the tokenizer on the training texts, and reads all of them."""
    tokenizer, max_tokens, share, ids = fit_tokenizer(family, [example.text for example in splits.train])
    train = Encoded(ids, task.targets(splits.train))
    dev, test = (_encode(tokenizer, part, task) for part in (splits.dev, splits.test))
    tokens = tuple(str(tokenizer.id_to_token(i)) for i in range(tokenizer.get_vocab_size()))
    window = min(family.window or max_tokens, max_tokens)
    return Read(
        tokenizer, train, dev, test, Spec(tokens, window, task.width, max_tokens), round(share * len(splits.train))
    )


class FittedTokenizer(NamedTuple):
    """The family's tokenizer, trained or brought along, the longest input, the share of the texts that are longer, and
    the ids of each, cut to it.
    """

    tokenizer: Tokenizer
    max_tokens: int
    share: float
    ids: list[list[int]]


def fit_tokenizer(family: Family, texts: Sequence[str]) -> FittedTokenizer:
    """Fits the family's tokenizer to texts, and reads them.

    The input holds 99 % of the texts whole, if the family's `max_tokens` allow it, or its `longest` where these would
    cut more than LONG_SHARE of the texts.
    """
    most = max(family.max_tokens, family.longest)
    if family.pretrained:
        tokenizer, ends = family.pretrained.checkpoint.tokenizer, family.pretrained.checkpoint.ends
    else:
        tokenizer, ends = train_tokenizer(texts, family.tokenizer, family.vocabulary, most), 0
    tokenizer.enable_truncation(most + 1)
    ids = [read.ids for read in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    lengths = np.array([len(row) for row in ids])
    allowed = most if np.mean(lengths > family.max_tokens) > LONG_SHARE else family.max_tokens
    max_tokens = min(allowed, 32 * max(1, ceil((np.percentile(lengths, 99) + ends) / 32)) - ends)
    tokenizer.enable_truncation(max_tokens)
    share = float(np.mean(lengths > max_tokens))
    return FittedTokenizer(tokenizer, max_tokens, share, [row[:max_tokens] for row in ids])


def cut_texts(cut: int, of: int, text_tokens: int) -> list[Finding]:
    """What an audit says of so many texts that are longer than what is read of one; nothing if they are few."""
    if cut <= TOLD_SHARE * of:
        return []
    return [
        Finding(
            f"texts ({cut / of:.1%}) longer than {text_tokens:,} tokens, which is all that is read of one; "
            "--max-tokens allows more or fewer",
            cut,
        )
    ]


def _encode(tokenizer: Tokenizer, examples: Sequence[Example], task: Task) -> Encoded:
    encodings = tokenizer.encode_batch_fast([example.text for example in examples], add_special_tokens=False)
    return Encoded([encoding.ids for encoding in encodings], task.targets(examples))
