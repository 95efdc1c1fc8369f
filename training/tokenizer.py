"""The tokenizer: trained once, on the training part only, and shipped in the bundle.

Chinese has no spaces, so the units are learned or are characters; white space never makes a token.
"""

import json
from collections.abc import Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from training.errors import InputError

PADDING = "[PAD]"
UNKNOWN = "[UNK]"
PADDING_ID, UNKNOWN_ID = 0, 1
KINDS = ("char", "bpe", "unigram")


def train_tokenizer(texts: Sequence[str], kind: str, vocabulary: int, max_tokens: int) -> Tokenizer:
    """Trains a tokenizer of a kind on texts.

    `char`: single characters. `bpe`: byte-pair merges (Sennrich et al. 2016). `unigram`: pieces by likelihood
    (Kudo 2018). All lower-case and NFKC-normalise, cut at `max_tokens`, and give PADDING_ID and UNKNOWN_ID
    their places. Raises InputError for another kind.
    """
    if kind not in KINDS:
        raise InputError(f"There is no tokenizer kind {kind!r}; there is: {', '.join(KINDS)}.")
    split: pre_tokenizers.PreTokenizer = pre_tokenizers.Punctuation("isolated")
    model: models.Model
    trainer: trainers.Trainer
    options: dict[str, Any] = {"vocab_size": vocabulary, "special_tokens": [PADDING, UNKNOWN], "show_progress": False}
    if kind == "char":
        model, trainer = models.WordLevel(unk_token=UNKNOWN), trainers.WordLevelTrainer(**options)
        split = pre_tokenizers.Split(Regex("."), "isolated")
    elif kind == "bpe":
        model, trainer = models.BPE(unk_token=UNKNOWN), trainers.BpeTrainer(min_frequency=2, **options)
    else:
        model, trainer = models.Unigram(), trainers.UnigramTrainer(unk_token=UNKNOWN, **options)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[\s\x1c-\x1f]+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), split])
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.enable_truncation(max_tokens)
    return _without_special_tokens(tokenizer)


def _without_special_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Leaves them in the vocabulary only, so that a text that holds `[PAD]` is not read as padding."""
    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_str()) | {"added_tokens": []}))
