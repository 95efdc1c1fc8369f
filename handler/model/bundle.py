"""What a bundle is: an immutable directory (or `.tar.gz`) that holds one model and all it needs to serve.

manifest.json    what the model is, and the size and sha256 of every other file
model.tflite     the network; one signature a (batch, length)
tokenizer.json   Hugging Face `tokenizers` format
golden.jsonl     texts with the probabilities that Keras gave them before conversion
card.md, report.html   for people; verified when present, not shipped to Lambda
"""

import hashlib
import zlib
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handler.errors import BundleError

FORMAT = "fenlei-bundle/1"
MANIFEST = "manifest.json"
MODEL = "model.tflite"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.jsonl"
SHIPPED = (MODEL, TOKENIZER, GOLDEN)

PREDICT, EMBED = "predict", "embed"


class FileEntry(Struct, frozen=True):
    """Size in bytes and sha256 (hexadecimal) of a file."""

    size: int
    sha256: str


class Signature(Struct, frozen=True, order=True):
    """A static input shape; for each the model has a function that predicts, and one that embeds if it can."""

    batch: int
    length: int

    def name(self, purpose: str) -> str:
        """The function's name in the model; `purpose` is PREDICT or EMBED."""
        return f"{purpose}_{self.batch}x{self.length}"


class Baseline(Struct, frozen=True):
    """What the training texts looked like, to compare live traffic with."""

    label_shares: dict[str, float]
    unknown_token_rate: float
    length_quantiles: dict[str, int]


class Needs(Struct, frozen=True):
    """What serving took where the bundle was made, with one processor.

    The megabytes of a process that has run every function; the seconds from nothing to the first answer, and of one
    batch of the longest texts.
    """

    megabytes: int
    start: float
    slowest: float


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The content of manifest.json.

    `task` is classify, regress or cluster. `activation` says what the network's output is: `softmax` (a logit a
    label), `sigmoid` (one logit, for the second of two labels), `independent` (a logit a label, any number of
    which apply), `identity` (a value), `distance` (to each cluster's centre). `embedding_width` is 0 if the
    bundle cannot embed. `smoothing` is the share of chance in each probability: what the number of development texts
    leaves open; none in bundles before 0.3. Answers as confident as `threshold` are certain, none if it is over 1, and
    `precision` is the share of these that was asked to be right; 0 in bundles that asked for none. `label_thresholds`
    are the probabilities from which `independent` labels apply; without any that is 0.5. Labels with a `separator` are
    paths, and `level_thresholds` is for each level what `threshold` is for all of a label.

    `version` is a hash of what the model is, so that the same training gives the same version; it leaves
    out the documents and `needs`, which hold timings. `seal` is a hash of the whole manifest.
    """

    format: str
    name: str
    version: str
    task: str
    family: str
    labels: list[str]
    activation: str
    max_tokens: int
    embedding_width: int
    signatures: list[Signature]
    temperature: float
    threshold: float
    quantization: str
    runtimes: list[str]
    metrics: dict[str, float]
    data: dict[str, str | int | float]
    baseline: Baseline
    versions: dict[str, str]
    files: dict[str, FileEntry]
    documents: dict[str, FileEntry]
    seal: str
    needs: Needs | None = None
    smoothing: float = 0.0
    precision: float = 0.0
    label_thresholds: list[float] = []
    separator: str = ""
    level_thresholds: list[float] = []


class Golden(Struct, frozen=True):
    """A text and its expected probabilities, in label order; `label` names the winner, in bundles since 0.2."""

    text: str
    probabilities: list[float]
    label: str | UnsetType = UNSET


class Bundle(Struct, frozen=True):
    """A verified bundle in memory: the bytes that were hashed are the bytes that run."""

    manifest: Manifest
    model: bytes
    tokenizer: str
    golden_lines: bytes

    def golden(self) -> list[Golden]:
        """Parses the golden texts (some hundreds)."""
        return [msgspec.json.decode(line, type=Golden) for line in self.golden_lines.splitlines()]


def load(path: Path) -> Bundle:
    """Reads and verifies a bundle, a directory or a `.tar.gz` file.

    Raises BundleError that names the file and what is wrong with it.
    """
    files = _read_directory(path) if path.is_dir() else _read_archive(path)
    if MANIFEST not in files:
        raise BundleError(f"{path} is not a bundle: it holds no {MANIFEST}.")
    manifest = parse_manifest(files[MANIFEST], f"{path}/{MANIFEST}")
    for name in SHIPPED:
        if name not in manifest.files:
            raise BundleError(f"{path}/{MANIFEST} does not list {name}; train the bundle again.")
    for name, entry in (manifest.files | manifest.documents).items():
        if name in files:
            _verify(f"{path}/{name}", files[name], entry)
        elif name in manifest.files:
            raise BundleError(f"{path}/{name} is missing; copy the whole bundle or train it again.")
    return Bundle(
        manifest=manifest,
        model=files[MODEL],
        tokenizer=files[TOKENIZER].decode(),
        golden_lines=files[GOLDEN],
    )


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """Decodes a manifest and proves that no byte of it was changed.

    Raises BundleError if it is of another format or does not agree with its own version.
    """
    try:
        found = msgspec.json.decode(raw, type=dict[str, object]).get("format")
        if found != FORMAT:
            raise BundleError(f"{where} is of format {found!r}, and this fenlei reads {FORMAT!r} only.")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where} is not a bundle's manifest: {error}.") from None
    if encode_manifest(manifest) != raw:
        raise BundleError(f"{where} was changed after it was written; train the bundle again.")
    return manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """Gives the one way to write a manifest, its version and seal set, so that any changed byte shows."""
    bare = msgspec.structs.replace(manifest, version="", seal="", documents={}, needs=None)
    versioned = msgspec.structs.replace(manifest, version=_sha256_of(bare), seal="")
    sealed = msgspec.structs.replace(versioned, seal=_sha256_of(versioned))
    return msgspec.json.format(msgspec.json.encode(sealed), indent=2) + b"\n"


def _sha256_of(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()


def file_entry(content: bytes) -> FileEntry:
    """Describes a file's content for the manifest."""
    return FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _verify(where: str, content: bytes, entry: FileEntry) -> None:
    if len(content) != entry.size:
        raise BundleError(f"{where} has {len(content)} bytes, and its manifest says {entry.size}.")
    if file_entry(content) != entry:
        raise BundleError(f"{where} was changed after it was written: its sha256 is not the manifest's.")


def _read_directory(path: Path) -> dict[str, bytes]:
    try:
        return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _read_archive(path: Path) -> dict[str, bytes]:
    import tarfile  # a packaged bundle is a directory

    if not path.exists():
        raise BundleError(f"{path} does not exist; make a bundle with: fenlei train -o {path}")
    files = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    files[Path(member.name).name] = content.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
        raise BundleError(f"{path} is neither a bundle's directory nor its .tar.gz: {error}.") from None
    return files
