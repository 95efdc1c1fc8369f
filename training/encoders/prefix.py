"""What some encoders were trained to read before each text, such as `query: `, and would miss."""

import re
from pathlib import Path

from training.encoders.configuration import read_json
from training.errors import InputError

# What sentence-transformers writes beside a checkpoint.
SETTINGS = "config_sentence_transformers.json"
# Where that says nothing: Wang et al. 2022, "Text Embeddings by Weakly-Supervised Contrastive Pre-training", have this
# prefix for texts that are compared with each other, and so for classes of them.
BY_NAME = {r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?": "query: "}


def prefix_of(directory: Path, name: str) -> str:
    """The prefix of a checkpoint: its default prompt, or the one that goes with its name; empty if there is none.

    Raises InputError if its settings are damaged.
    """
    path = directory / SETTINGS
    settings = read_json(path) if path.exists() else {}
    prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
    if default is not None:
        if not isinstance(prompts, dict) or not isinstance(prompts.get(default), str):
            raise InputError(f"{path}: 'default_prompt_name' is {default!r}, and 'prompts' holds no text of that name.")
        return str(prompts[default])
    return next((prefix for pattern, prefix in BY_NAME.items() if re.fullmatch(pattern, name.lower())), "")
