"""A pre-trained encoder on disk, in Hugging Face layout: config.json, model.safetensors, tokenizer.json or vocab.txt.

BERT (and what shares its architecture: MiniLM, RoBERTa-wwm-ext, ...), RoBERTa, XLM-RoBERTa, DistilBERT, MPNet, ALBERT,
ELECTRA and ERNIE.
Everything is checked when it is opened, without TensorFlow, so that a mistake shows before training starts.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from training.encoders.configuration import Shape, read_json, shape_of
from training.encoders.prefix import prefix_of
from training.encoders.vocabulary import tokenizer_of
from training.encoders.weights import Floats, check, open_weights, read, weight_files
from training.errors import InputError


class Checkpoint(NamedTuple):
    """An encoder that was checked: its sizes, where it is, and its tokenizer.

    `order` says which row of the embedding table each token has, so that padding is token 0 and what is unknown token
    1, as in every graph of ours; pieces that were pruned have none. The tokenizer gives the ids after that. `before`
    and `end` are the tokens around each text: the special ones, and after the first those of the prefix that the
    encoder was trained with. `commit` is the revision of one that has a name on a hub.
    """

    directory: Path
    shape: Shape
    tokenizer: Tokenizer
    order: list[int]
    before: tuple[int, ...]
    end: int
    parameters: int
    name: str = ""
    commit: str = ""

    @property
    def ends(self) -> int:
        """How many tokens the graph puts around each text."""
        return len(self.before) + 1

    @property
    def max_tokens(self) -> int:
        """The longest text in tokens, without those around it."""
        return self.shape.longest - self.ends

    def fingerprint(self) -> str:
        """What tells this encoder from all others: sha256 of its files, layers, and the tokens around a text."""
        digest = hashlib.sha256(repr((self.shape, [self.order[i] for i in (*self.before, self.end)])).encode())
        for path in weight_files(self.directory):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def tensors(self) -> dict[str, Floats]:
        """Every weight by our names, in float32: kernels [in, out], tables [rows, width].

        Raises InputError if a tensor is missing or of another size than config.json says.
        """
        with open_weights(self.directory) as file:
            return read(file, self.shape, self.order)


def open_checkpoint(directory: Path, layers: int | None = None, name: str = "", commit: str = "") -> Checkpoint:
    """Reads and checks all but the values of the weights, of all layers or only the lower ones.

    Raises InputError that says what is wrong with which file.
    """
    name = name or directory.resolve().name
    shape = shape_of(directory / "config.json", read_json(directory / "config.json"))
    if layers is not None:
        if not 1 <= layers <= shape.blocks:
            raise InputError(f"--layers {layers} is none of 1 to {shape.blocks}: so many has {name}.")
        shape = shape._replace(blocks=layers)
    with open_weights(directory) as file:
        parameters = sum(int(np.prod(size)) for size in check(file, shape).values())
    tokenizer, special, order = tokenizer_of(directory, shape)
    prefix = tokenizer.encode(prefix_of(directory, name.split("/")[-1]).strip(), add_special_tokens=False).ids
    before = (special["start"], *prefix)
    return Checkpoint(directory, shape, tokenizer, order, before, special["end"], parameters, name, commit)
