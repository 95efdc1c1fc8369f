"""Texts as a network reads them: a tokenizer fitted or brought along, and the token ids of each part."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from training.data.read import Example
from training.data.split import Splits
from training.data.tokenizer import train_tokenizer
from training.learning.job import Encoded, Family, Spec
from training.learning.tasks import Task


class Read(NamedTuple):
    """The texts as token ids, by part, and what read them."""

    tokenizer: Tokenizer
    train: Encoded
    dev: Encoded
    test: Encoded
    spec: Spec


def read_texts(family: Family, task: Task, splits: Splits) -> Read:
    """Fits the tokenizer on the training texts, and reads all of them."""
    tokenizer, max_tokens = fit_tokenizer(family, [example.text for example in splits.train])
    train, dev, test = (_encode(tokenizer, part, task) for part in (splits.train, splits.dev, splits.test))
    tokens = tuple(str(tokenizer.id_to_token(i)) for i in range(tokenizer.get_vocab_size()))
    return Read(tokenizer, train, dev, test, Spec(tokens, max_tokens, task.width))


def fit_tokenizer(family: Family, texts: Sequence[str]) -> tuple[Tokenizer, int]:
    """The family's tokenizer, trained or brought along, and the longest input, which holds 99 % of the texts whole."""
    if family.pretrained:
        tokenizer, ends = family.pretrained.checkpoint.tokenizer, family.pretrained.checkpoint.ends
    else:
        tokenizer, ends = train_tokenizer(texts, family.tokenizer, family.vocabulary, family.max_tokens), 0
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    max_tokens = min(family.max_tokens, 32 * max(1, ceil((np.percentile(lengths, 99) + ends) / 32)) - ends)
    tokenizer.enable_truncation(max_tokens)
    return tokenizer, max_tokens


def _encode(tokenizer: Tokenizer, examples: Sequence[Example], task: Task) -> Encoded:
    encodings = tokenizer.encode_batch_fast([example.text for example in examples], add_special_tokens=False)
    return Encoded([encoding.ids for encoding in encodings], task.targets(examples))
