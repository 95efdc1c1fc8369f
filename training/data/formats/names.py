"""What people call the column with the texts and the one with the labels, in some languages."""

import unicodedata
from pathlib import Path

from training.data.formats.rows import Columns
from training.errors import InputError

_TEXTS = """
text texts content contents review reviews reviewtext reviewbody comment comments sentence message body document tweet
post feedback utterance data
文本 内容 正文 评论 评论内容 评价 评价内容 文字 句子 留言 反馈 內容 評論 評論內容 文章
本文 テキスト 文 レビュー コメント 텍스트 내용 리뷰 texto comentario texte commentaire kommentar текст отзыв
"""
_LABELS = """
label labels category categories class classes classname sentiment target tag tags topic intent polarity
标签 类别 分类 类型 情感 情感标签 情感倾向 情感类别 意图 主题 標籤 類別 分類 類型 情感標籤
ラベル カテゴリ カテゴリー 라벨 레이블 분류
etiqueta categoria categoría étiquette catégorie klasse kategorie метка категория класс
"""
TEXTS, LABELS = frozenset(_TEXTS.split()), frozenset(_LABELS.split())


def plain(name: str) -> str:
    """A name without case, width, spaces and punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def called(names: tuple[str, ...], usual: str, known: frozenset[str]) -> str | None:
    """The column that is called as usual, or else the only one that is called so at all."""
    for wanted in ({usual}, known):
        found = [name for name in names if plain(name) in wanted]
        if len(found) == 1:
            return found[0]
        if found:
            return None
    return None


def check_no_header(path: Path, first: tuple[str, ...], columns: Columns) -> None:
    """Raises InputError if names are given for a file whose first row has the same ones."""
    if columns.names and [plain(name) for name in first] == [plain(name) for name in columns.names]:
        raise InputError(f"{path} has a header, which names the columns as --columns does; leave --columns out.")
