"""Tokens: back to the very same text, reserved ids, the same from the same text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

import pytest

from quartet.data.loading.tokenizer import Tokenizer, train_tokenizer
from quartet.data.preparing.text import _pieces
from quartet.types import BOS, EOS, PAD, UNK, QuartetError

TEXT = "To be, or not to be: that is the question.\n\n  HAMLET.\nWhether 'tis nobler\tin the mind to suffer…\n" * 20
STRANGE = [
    "",
    " ",
    "  two  blanks ",
    "\n\n\n",
    "Käse, naïve 東京 🦊\r\n",
    "<pad><bos>",
    "\x00\u2028é",
    "don't  stop\n ",
]


@pytest.mark.parametrize("spaced", [False, True])
def test_any_text_comes_back_from_subwords(spaced: bool) -> None:
    tokenizer = train_tokenizer([TEXT], kind="subword", vocabulary=400, spaced=spaced)
    pick = random.Random(0)
    made = ["".join(pick.choice("ab \n\té🦊.,'") for _ in range(pick.randint(0, 30))) for _ in range(200)]
    for text in [*STRANGE, *made, TEXT]:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert all(UNK < i < tokenizer.vocabulary for i in ids)
        assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == text
    assert tokenizer.vocabulary <= 400
    assert len(tokenizer.encode(TEXT)) < 0.6 * len(TEXT)


def test_characters_come_back_and_strangers_are_unknown() -> None:
    tokenizer = train_tokenizer([TEXT], kind="character", vocabulary=100)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert len(tokenizer.encode(TEXT)) == len(TEXT)
    assert tokenizer.encode("東") == [UNK]
    assert tokenizer.decode([UNK]) == "\ufffd"
    assert train_tokenizer([TEXT], kind="character", vocabulary=10).vocabulary == 10


@pytest.mark.parametrize("kind", ["subword", "character"])
def test_a_saved_tokenizer_is_the_same(tmp_path: Path, kind: Literal["subword", "character"]) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for file in files:
        train_tokenizer([TEXT], kind=kind, vocabulary=350).save(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    one, other = train_tokenizer([TEXT], kind=kind, vocabulary=350), Tokenizer.load(files[0])
    assert (one.encode(TEXT), one.vocabulary) == (other.encode(TEXT), other.vocabulary)


def test_first_words_share_their_tokens_with_others_when_spaced() -> None:
    tokenizer = train_tokenizer([TEXT], kind="subword", vocabulary=400, spaced=True)
    assert tokenizer.encode("question") == tokenizer.encode("the question")[-len(tokenizer.encode("question")) :]


def test_a_vocabulary_too_small_is_refused() -> None:
    with pytest.raises(QuartetError, match="259 subwords; at least 260"):
        train_tokenizer([TEXT], kind="subword", vocabulary=259)
    with pytest.raises(QuartetError, match="4 characters"):
        train_tokenizer([TEXT], kind="character", vocabulary=4)


def test_long_texts_are_encoded_in_pieces_as_in_one() -> None:
    tokenizer = train_tokenizer([TEXT], kind="subword", vocabulary=400)
    text = TEXT * 60
    pieces = _pieces(text)
    assert len(pieces) > 1
    assert [i for piece in tokenizer.encode_all(pieces) for i in piece] == tokenizer.encode(text)
