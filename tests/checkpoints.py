"""Tiny encoders in Hugging Face layout, with random weights: what they learn is nothing, how they run is all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

WIDTH, WIDE, BLOCKS, HEADS = 64, 96, 2, 4
RANGES = 16
# Whose token vectors are projected to the width of all else.
NARROW, NARROW_WIDTH = ("albert", "electra"), 32
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# BERT's tokenizer reads Han characters one by one, so these are its pieces.
CHARACTERS = (
    "的一是不了在有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没"
    "日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长东西质量喜欢编程运坏差快物流满意"
)


def write_checkpoint(
    directory: Path, architecture: str = "bert", seed: int = 0, blocks: int = BLOCKS, longest: int = 128
) -> Path:
    """Writes a tiny encoder: `bert` with vocab.txt alone, `distilbert`, `roberta` with padding at 1, `mpnet`,
    `albert` with one layer for all, `electra`, or `ernie`.

    The fewer tokens it reads at the longest, the fewer functions there are to convert.

    MPNet's list of pieces has the special tokens of both BERT and RoBERTa.
    """
    directory.mkdir(parents=True)
    roberta, distil = "roberta" in architecture, architecture == "distilbert"
    pieces = [
        *SPECIAL,
        *dict.fromkeys(CHARACTERS),
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    if architecture == "mpnet":
        pieces = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    if roberta:
        pieces[:5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        pieces += ["▁", ":"]
        (directory / "tokenizer.json").write_text(json.dumps(unigram(pieces)), encoding="utf-8")
    else:
        (directory / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    positions = longest + 2 if roberta or architecture == "mpnet" else longest
    sizes = {"hidden_size": WIDTH, "intermediate_size": WIDE, "num_attention_heads": HEADS, "num_hidden_layers": blocks}
    if architecture == "mpnet":
        sizes["relative_attention_num_buckets"] = RANGES
    if distil:
        sizes = {"dim": WIDTH, "hidden_dim": WIDE, "n_heads": HEADS, "n_layers": blocks}
    if architecture in NARROW:
        sizes["embedding_size"] = NARROW_WIDTH
    more = {"use_task_id": True} if architecture == "ernie" else {}
    config = more | {
        "model_type": architecture,
        "vocab_size": len(pieces),
        "max_position_embeddings": positions,
        **sizes,
    }
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors(len(pieces), positions, architecture, seed, blocks), directory / "model.safetensors")
    return directory


def unigram(pieces: list[str]) -> dict[str, Any]:
    """A tokenizer as XLM-RoBERTa has it, with a template that puts the special tokens around a text."""
    ends: list[dict[str, Any]] = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ("<s>", "</s>")]
    whole = [ends[0], {"Sequence": {"id": "A", "type_id": 0}}, ends[1]]
    special = [{"id": i, "content": pieces[i], "special": True} for i in range(5)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": {"max_length": 7, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": None,
        "added_tokens": [token | flags for token in special],
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": whole,
            "pair": [*whole, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {n: {"id": n, "ids": [pieces.index(n)], "tokens": [n]} for n in ("<s>", "</s>")},
        },
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[piece, -8.0] for piece in pieces], "byte_fallback": False},
    }


BERT = (
    ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    ("intermediate.dense", "output.dense"),
    ("attention.output.LayerNorm", "output.LayerNorm"),
)
DISTILBERT = (
    ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"),
    ("ffn.lin1", "ffn.lin2"),
    ("sa_layer_norm", "output_layer_norm"),
)
MPNET = (
    ("attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o"),
    ("intermediate.dense", "output.dense"),
    ("attention.LayerNorm", "output.LayerNorm"),
)
ALBERT = (
    ("attention.query", "attention.key", "attention.value", "attention.dense"),
    ("ffn", "ffn_output"),
    ("attention.LayerNorm", "full_layer_layer_norm"),
)
# How Hugging Face names the tensors of a block: what stands before its number, attention, feed-forward, norms.
NAMES = {
    "distilbert": ("transformer.layer.{}", *DISTILBERT),
    "mpnet": ("encoder.layer.{}", *MPNET),
    "albert": ("encoder.albert_layer_groups.0.albert_layers.0", *ALBERT),
}
PROJECTIONS = {"albert": "encoder.embedding_hidden_mapping_in", "electra": "embeddings_project"}


def names_of(architecture: str) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return NAMES.get(architecture, ("encoder.layer.{}", *BERT))


def tensors(vocabulary: int, positions: int, architecture: str, seed: int, blocks: int) -> dict[str, Any]:
    """Random weights by the names that Hugging Face gives them."""
    random = np.random.default_rng(seed)

    def normal(*size: int) -> Any:
        return random.normal(0, 0.3, size).astype(np.float32)

    narrow = NARROW_WIDTH if architecture in NARROW else WIDTH
    found = {"embeddings.word_embeddings.weight": normal(vocabulary, narrow)}
    found["embeddings.position_embeddings.weight"] = normal(positions, narrow)
    if architecture == "mpnet":
        found["encoder.relative_attention_bias.weight"] = normal(RANGES, HEADS)
    elif architecture != "distilbert":
        found["embeddings.token_type_embeddings.weight"] = normal(2, narrow)
    if architecture == "ernie":
        found["embeddings.task_type_embeddings.weight"] = normal(3, WIDTH)
    if architecture in NARROW:
        name = PROJECTIONS[architecture]
        found[f"{name}.weight"], found[f"{name}.bias"] = normal(WIDTH, narrow), normal(WIDTH)
    found["embeddings.LayerNorm.weight"], found["embeddings.LayerNorm.bias"] = 1 + normal(narrow), normal(narrow)
    norms = []
    before, attention, feed, after = names_of(architecture)
    for number in range(blocks):
        within = before.format(number)
        sizes = [(WIDTH, WIDTH)] * 4 + [(WIDE, WIDTH), (WIDTH, WIDE)]
        for name, size in zip((*attention, *feed), sizes, strict=True):
            found[f"{within}.{name}.weight"], found[f"{within}.{name}.bias"] = normal(*size), normal(size[0])
        norms += [f"{within}.{name}" for name in after]
    for norm in norms:
        found[f"{norm}.weight"], found[f"{norm}.bias"] = 1 + normal(WIDTH), normal(WIDTH)
    return found
