"""The tokenizer: trained once, on the training part only, and shipped in the bundle.

Chinese has no spaces, so the units are learned or are characters; white space never makes a token.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from training.errors import InputError

PADDING = "[PAD]"
UNKNOWN = "[UNK]"
PADDING_ID, UNKNOWN_ID = 0, 1
LETTERS = "letters"
KINDS = ("char", "bpe", "unigram", "mixed", LETTERS)

# `mixed` reads these one by one: writing without spaces, and syllables that are a character each.
ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]"
# So many merges read English about as well as words do, and keep the vocabulary small.
MERGES = {"mixed": 1000, LETTERS: 0}


def train_tokenizer(texts: Sequence[str], kind: str, vocabulary: int, max_tokens: int) -> Tokenizer:
    """Trains a tokenizer of a kind on texts.

    `char`: single characters. `bpe`: byte-pair merges (Sennrich et al. 2016). `unigram`: pieces by likelihood (Kudo
    2018). `mixed`: characters of Chinese, Japanese, Korean and Thai one by one, byte-pair merges for all else.
    `letters`: all of them one by one, with the mark where a word begins that `mixed` has, too. All lower-case and
    NFKC-normalise, cut at `max_tokens`, and give PADDING_ID and UNKNOWN_ID their places. Raises
    InputError for another kind.
    """
    check_kind(kind)
    words: pre_tokenizers.PreTokenizer = pre_tokenizers.WhitespaceSplit()
    split: pre_tokenizers.PreTokenizer = pre_tokenizers.Punctuation("isolated")
    model: models.Model
    trainer: trainers.Trainer
    options: dict[str, Any] = {"vocab_size": vocabulary, "special_tokens": [PADDING, UNKNOWN], "show_progress": False}
    if kind == "char":
        model, trainer = models.WordLevel(unk_token=UNKNOWN), trainers.WordLevelTrainer(**options)
        split = pre_tokenizers.Split(Regex("."), "isolated")
    elif kind == "bpe":
        model, trainer = models.BPE(unk_token=UNKNOWN), trainers.BpeTrainer(min_frequency=2, **options)
    elif kind in MERGES:
        words, split = pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(ALONE), "isolated")
        others = MERGES[kind] + len(options["special_tokens"])
        alphabet = _characters(texts)[: max(1, vocabulary - others)]
        options |= {"vocab_size": len(alphabet) + others, "min_frequency": 5}
        options |= {"initial_alphabet": alphabet, "limit_alphabet": len(alphabet)}
        model, trainer = models.BPE(unk_token=UNKNOWN), trainers.BpeTrainer(**options)
    else:
        model, trainer = models.Unigram(), trainers.UnigramTrainer(unk_token=UNKNOWN, **options)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, split])
    try:
        tokenizer.train_from_iterator(texts, trainer)
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"The {kind} tokenizer cannot be trained on these texts: {error}.") from None
    if kind in MERGES:
        # No merge was learned across what stood alone, so that its splitting changes no id any more, and takes time.
        tokenizer.pre_tokenizer = words
    tokenizer.enable_truncation(max_tokens)
    return _without_special_tokens(tokenizer)


def check_kind(name: str) -> str:
    """Gives the name back. Raises InputError if there is no kind of tokenizer of that name."""
    if name not in KINDS:
        raise InputError(f"There is no tokenizer kind {name!r}; there is: {', '.join(KINDS)}.")
    return name


def _normalizer() -> normalizers.Normalizer:
    return normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[\s\x1c-\x1f]+"), " "),
            normalizers.Strip(),
        ]
    )


def _characters(texts: Sequence[str]) -> list[str]:
    """The characters, the most frequent first; Metaspace writes a space as U+2581, and one before each text.

    One that stands once belongs to them: of few texts they are a fifth of all, and in another text it tells something.
    """
    normalizer = _normalizer()
    counts = Counter(c for text in texts for c in f" {normalizer.normalize_str(text)}".replace(" ", "\u2581"))
    return [character for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _without_special_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Leaves them in the vocabulary only, so that a text that holds `[PAD]` is not read as padding."""
    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_str()) | {"added_tokens": []}))
