"""How often the encoding of a small file is told, beside charset-normalizer: `make bench-encodings DATA=...`.

A file is a header and some lines, each a sentence and a label. The Chinese ones are texts of a data set, cut at 30
characters; the others are those of tests/sentences.py. 100 files a row, seed 0.
Asked: both readings were shown, and none was taken.
"""

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from charset_normalizer import from_bytes

from tests.sentences import SENTENCES
from training.data.formats.encoding import encoding_of
from training.errors import InputError

FILES, LINES, LONGEST = 100, (1, 2, 5), 30
# What are other names for the same, or for a part of it that reads the same.
SAME = {
    "gb18030": {"gb18030", "gbk", "gb2312"},
    "big5hkscs": {"big5hkscs", "big5", "cp950"},
    "cp932": {"cp932", "shift_jis", "shift_jis_2004"},
    "euc_jp": {"euc_jp", "euc_jis_2004", "euc_jisx0213"},
    "cp949": {"cp949", "euc_kr"},
    "cp1252": {"cp1252", "latin_1", "iso8859_15"},
}


def main() -> None:
    """Prints a table."""
    chinese = (Path(sys.argv[1]) / "dev.tsv").read_text(encoding="utf-8").splitlines()
    texts = SENTENCES | {"gb18030": [line.partition("\t")[2][:LONGEST] for line in chinese]}
    print(
        "| encoding | lines | right | asked | wrong | charset-normalizer: right | none | wrong |\n|---|" + "---:|" * 7
    )
    for encoding, sentences in texts.items():
        for lines in LINES:
            ours, theirs = measure(encoding, sentences, lines)
            figures = (ours["right"], ours["asked"], ours["wrong"], theirs["right"], theirs["none"], theirs["wrong"])
            print(f"| {encoding} | {lines} | {' | '.join(map(str, figures))} |")


def measure(encoding: str, sentences: list[str], lines: int) -> tuple[Counter[str], Counter[str]]:
    """How often each tells the encoding of a file of so many lines."""
    chance = random.Random(0)
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.csv")
        while ours.total() < FILES:
            text = "text,label\n" + "".join(f'"{chance.choice(sentences)}",a\n' for _ in range(lines))
            content = text.encode(encoding, "ignore")
            if content.isascii():
                continue
            path.write_bytes(content)
            try:
                ours["right" if encoding_of(path) == encoding else "wrong"] += 1
            except InputError:
                ours["asked"] += 1
            found = from_bytes(content).best()
            theirs["none" if not found else "right" if found.encoding in SAME[encoding] else "wrong"] += 1
    return ours, theirs


if __name__ == "__main__":
    main()
