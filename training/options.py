"""What the user of `fenlei train` chose, and the plan that it makes, if it fits together."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from training.data.formats.any_file import name_of
from training.data.formats.rows import Columns, Missing
from training.data.tokenizer import check_kind
from training.encoders.hub import open_named
from training.errors import InputError
from training.families import get_family
from training.families.encoder import start_from
from training.learning.class_weights import check_class_weight
from training.learning.job import Family
from training.learning.plan import Plan
from training.learning.tasks import check_task
from training.shipping.bundles import check_destination, check_directories
from training.shipping.convert import check_quantization

# What `auto` trains to choose from, beside an encoder if one is given.
CANDIDATES = ("logistic", "linear", "hybrid")


class Texts(NamedTuple):
    """Where the texts are: a file or a named data set; a part of it is held out where `dev` or `test` is not given.

    `missing` says what becomes of rows without a label, and `merge_labels` makes labels one that likely are; `strict`
    refuses training texts that leak into what is held out.
    """

    file: Path | None
    dataset: str
    dev: Path | None
    test: Path | None
    unlabelled: Path | None
    columns: Columns
    missing: Missing
    merge_labels: bool
    strict: bool


class Model(NamedTuple):
    """Which family, and what of it is not to be as suits it; a name may be empty, and the family `auto`.

    What `auto` takes is no larger than so many `megabytes`.
    """

    family: str
    tokenizer: str
    checkpoint: str | None
    tune: str
    epochs: int | None
    layers: int | None = None
    pieces: int | None = None
    max_tokens: int | None = None
    megabytes: float | None = None


class Options(NamedTuple):
    """What the user chose, as it was given."""

    texts: Texts
    model: Model
    task: str
    multi_label: bool
    clusters: int
    teacher: Path | None
    refit: bool
    seed: int
    precision: float
    class_weight: str
    separator: str
    quantization: str
    all_quantizations: bool
    name: str
    output: Path
    force: bool
    time_budget: float
    log_directory: Path | None
    resume: Path | None

    @property
    def automatic(self) -> bool:
        """Whether the family is to be chosen by how good it is in development."""
        return self.model.family == "auto" and self.task != "cluster"


def make_plan(options: Options) -> Plan:
    """What is to be trained. Raises InputError if options do not fit together, or name what is not there."""
    texts = options.texts
    if (texts.file is None) == (not texts.dataset):
        raise InputError("Give either a file with labelled texts or --dataset NAME, and not both.")
    check_task(options.task, options.multi_label)
    family = _family(options.model, options.task)
    check_quantization(options.quantization)
    check_destination(options.output, options.force)
    check_directories({"--resume": options.resume, "--log-directory": options.log_directory})
    if options.log_directory and find_spec("tensorboard") is None:
        raise InputError(
            "--log-directory writes events of TensorBoard, which is not installed; install it with: "
            "pip install tensorboard"
        )
    return Plan(
        name=options.name or options.output.name,
        family=family,
        quantization=options.quantization,
        seed=options.seed,
        source=name_of(texts.file) if texts.file else texts.dataset,
        task=options.task,
        multi_label=options.multi_label,
        refit=options.refit,
        all_quantizations=options.all_quantizations,
        clusters=options.clusters,
        text_column=texts.columns.text or "text",
        precision=options.precision,
        class_weight=check_class_weight(options.class_weight, options.task, options.multi_label),
        separator=_separator(options),
    )


def _separator(options: Options) -> str:
    """What stands between the levels of a label. Raises InputError if texts do not have one label each."""
    if options.separator and (options.task != "classify" or options.multi_label):
        raise InputError("--separator is for texts with one label each, whose levels it tells apart; leave it out.")
    if options.separator != "" and not options.separator.strip():
        raise InputError("--separator is blank; give what stands between the levels of a label, for example /.")
    return options.separator


def _family(model: Model, task: str) -> Family:
    """The family that is named or suits the task, as it is to be. Raises InputError if that does not fit together."""
    default = "cluster" if task == "cluster" else "encoder" if model.checkpoint else "hybrid"
    family = get_family(default if model.family in ("", "auto") else model.family)
    _check_start(family, model, task)
    if model.checkpoint:
        family = start_from(family, open_named(model.checkpoint, model.layers), model.tune, model.pieces)
    return _with_epochs(_as_given(family, model), model)


def candidates(model: Model) -> list[Family]:
    """The small families among which `auto` chooses, as they are to be."""
    return [_as_given(get_family(name), model) for name in CANDIDATES]


def _as_given(family: Family, model: Model) -> Family:
    if model.tokenizer:
        family = family._replace(tokenizer=check_kind(model.tokenizer))
    return _with_tokens(family, model.max_tokens)


def _with_tokens(family: Family, most: int | None) -> Family:
    """The family, reading at most so many tokens of a text. Raises InputError if an encoder cannot read so many."""
    if most is None:
        return family
    readable = max(family.max_tokens, family.longest)
    if family.pretrained and most > readable:
        raise InputError(f"This encoder reads {readable:,} tokens at most; give --max-tokens that or fewer.")
    return family._replace(max_tokens=most, longest=0)


def _check_start(family: Family, model: Model, task: str) -> None:
    """Raises InputError if the family does not go with the task, or with what it is to start from."""
    if (family.name == "cluster") != (task == "cluster"):
        raise InputError("--task cluster and --family cluster belong together; give both or neither.")
    if family.name == "encoder" and not model.checkpoint:
        raise InputError("--family encoder starts from a pre-trained one; name its directory with --checkpoint.")
    if model.checkpoint and family.name not in ("encoder", "cluster"):
        raise InputError(f"--checkpoint is for --family encoder and cluster, not for {model.family}; leave one out.")
    if model.checkpoint and model.tokenizer:
        raise InputError("--checkpoint brings a tokenizer along; leave --tokenizer out.")
    if model.megabytes and (model.family != "auto" or task == "cluster"):
        raise InputError("--max-megabytes is for --family auto, which chooses; give both or neither.")
    if (model.layers or model.pieces) and not model.checkpoint:
        raise InputError("--layers and --pieces are how much of a --checkpoint is kept; give one, or leave them out.")


def _with_epochs(family: Family, model: Model) -> Family:
    """The family with so many epochs. Raises InputError if it is not trained by epochs, or not chosen yet."""
    if model.epochs is None:
        return family
    if model.family == "auto" or not family.epochs:
        raise InputError(
            f"--epochs is for a family that learns by epochs, not for {model.family or family.name}; leave it out."
        )
    return family._replace(epochs=model.epochs)
