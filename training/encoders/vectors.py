"""What a frozen encoder says of texts, kept on disk: an encoder is slow, and says the same of a text each time.

Kept by checkpoint and by the tokens of a text, so that another training on the same texts takes seconds, and one that
was interrupted goes on where it was.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.encoders.checkpoint import Checkpoint
from training.learning.ngrams import pad

# A batch has about so many tokens, padding included, and texts of like length.
BATCH_TOKENS = 4096
# How long another training that writes may be waited for.
SECONDS_TO_WAIT = 60

Floats = NDArray[np.float32]


def vectors_of(checkpoint: Checkpoint, embed: Any, ids: Sequence[Sequence[int]], tell: Callable[[str], None]) -> Floats:
    """Token ids of n texts -> the encoder's L2-normalised means [n, width]; `embed` is its graph.

    Where nothing can be kept, all texts are read.
    """
    keys = [_key(checkpoint, row) for row in ids]
    rows = dict(zip(keys, ids, strict=True))
    with closing(_store(checkpoint)) as store:
        found = _kept(store, rows)
        missing = sorted(rows.keys() - found.keys(), key=lambda key: len(rows[key]))
        for batch in _batches(missing, rows):
            said = _say(embed, [rows[key] for key in batch])
            found |= zip(batch, said, strict=True)
            with suppress(sqlite3.OperationalError):
                pairs = ((key, vector.tobytes()) for key, vector in zip(batch, said, strict=True))
                store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", pairs)
                store.commit()  # at once, since nobody else reads or writes before
            tell(f"the encoder reads {len(rows):,} texts: {len(found):,} done")
    return np.stack([found[key] for key in keys])


def _key(checkpoint: Checkpoint, row: Sequence[int]) -> bytes:
    """A name for the tokens of a text, whatever ids they have after pruning."""
    return hashlib.sha256(np.array([checkpoint.order[i] for i in row], "<i4").tobytes()).digest()


def _store(checkpoint: Checkpoint) -> sqlite3.Connection:
    """What is kept of a checkpoint; in memory where no file can be had."""
    path = cache_directory() / "vectors" / f"{checkpoint.fingerprint()}.sqlite"
    with suppress(OSError, sqlite3.Error):
        path.parent.mkdir(parents=True, exist_ok=True)
        return _opened(str(path))
    return _opened(":memory:")


def _opened(name: str) -> sqlite3.Connection:
    store = sqlite3.connect(name, timeout=SECONDS_TO_WAIT)
    try:
        store.execute("CREATE TABLE IF NOT EXISTS vectors (tokens BLOB PRIMARY KEY, vector BLOB NOT NULL)")
        store.commit()
    except sqlite3.Error:
        store.close()
        raise
    return store


def cache_directory() -> Path:
    """Where what can be computed again is kept, as the system says."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        if os.environ.get(variable):
            return Path(os.environ[variable]) / "fenlei"
    return Path.home() / ".cache" / "fenlei"


def _kept(store: sqlite3.Connection, rows: dict[bytes, Any]) -> dict[bytes, Floats]:
    """What was said of these before; where somebody else does not let go of the file, nothing."""
    found = {}
    with suppress(sqlite3.OperationalError):
        for key in rows:
            for (content,) in store.execute("SELECT vector FROM vectors WHERE tokens = ?", (key,)):
                found[key] = np.frombuffer(content, np.float32)
    return found


def _batches(keys: Sequence[bytes], rows: dict[bytes, Sequence[int]]) -> Iterator[list[bytes]]:
    """The keys, sorted by the length of their texts, in batches of about BATCH_TOKENS."""
    batch: list[bytes] = []
    for key in keys:
        if batch and (len(batch) + 1) * len(rows[key]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(key)
    if batch:
        yield batch


def _say(embed: Any, batch: Sequence[Sequence[int]]) -> Floats:
    return np.asarray(embed(pad(batch, max(1, *map(len, batch)))))
