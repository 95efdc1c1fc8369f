"""A pre-trained encoder on disk, in Hugging Face layout: config.json, model.safetensors, tokenizer.json or vocab.txt.

BERT (and what shares its architecture: MiniLM, RoBERTa-wwm-ext, ...), RoBERTa, XLM-RoBERTa, DistilBERT and MPNet.
Everything is checked when it is opened, without TensorFlow, so that a mistake shows before training starts.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from training.encoders.configuration import Shape, read_json, shape_of
from training.encoders.prefix import prefix_of
from training.encoders.vocabulary import tokenizer_of
from training.encoders.weights import Floats, check, open_weights, read
from training.errors import InputError


class Checkpoint(NamedTuple):
    """An encoder that was checked: its sizes, where it is, and its tokenizer.

    `order` says which row of the embedding table each token has, so that padding is token 0 and what is unknown token
    1, as in every graph of ours; pieces that were pruned have none. The tokenizer gives the ids after that. `before`
    and `end` are the tokens around each text: the special ones, and after the first those of the prefix that the
    encoder was trained with.
    """

    directory: Path
    shape: Shape
    tokenizer: Tokenizer
    order: list[int]
    before: tuple[int, ...]
    end: int
    parameters: int

    @property
    def ends(self) -> int:
        """How many tokens the graph puts around each text."""
        return len(self.before) + 1

    @property
    def max_tokens(self) -> int:
        """The longest text in tokens, without those around it."""
        return self.shape.longest - self.ends

    def tensors(self) -> dict[str, Floats]:
        """Every weight by our names, in float32: kernels [in, out], tables [rows, width].

        Raises InputError if a tensor is missing or of another size than config.json says.
        """
        with open_weights(self.directory) as file:
            return read(file, self.shape, self.order)


def open_checkpoint(directory: Path, layers: int | None = None) -> Checkpoint:
    """Reads and checks all but the values of the weights, of all layers or only the lower ones.

    Raises InputError that says what is wrong with which file.
    """
    if not directory.is_dir():
        raise InputError(
            f"{directory} is not a directory; --checkpoint names one with config.json and model.safetensors."
        )
    shape = shape_of(directory / "config.json", read_json(directory / "config.json"))
    if layers is not None:
        if not 1 <= layers <= shape.blocks:
            raise InputError(f"--layers {layers} is none of 1 to {shape.blocks}: so many has {directory.name}.")
        shape = shape._replace(blocks=layers)
    with open_weights(directory) as file:
        parameters = sum(int(np.prod(size)) for size in check(file, shape).values())
    tokenizer, special, order = tokenizer_of(directory, shape)
    prefix = tokenizer.encode(prefix_of(directory, directory.name).strip(), add_special_tokens=False).ids
    return Checkpoint(directory, shape, tokenizer, order, (special["start"], *prefix), special["end"], parameters)
