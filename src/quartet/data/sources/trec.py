"""TREC questions: Li and Roth (2002), Learning Question Classifiers; what kind of answer a question asks for."""

from __future__ import annotations

from pathlib import Path

from quartet.data.loading.tokenizer import Kind
from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.places import Address, Folder, Place
from quartet.data.preparing.splits import Splits
from quartet.data.sources.labelled_texts import Given, Labelled, LabelledTexts

UPSTREAM = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data"
UPSTREAM_NAMES = {"train": "TREC.train.all", "test": "TREC.test.all"}
DIGESTS = {
    "train": "c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e",
    "test": "92a6a3cede5678b447ef5f1d7ec474134fcda211e6590e6fa627b4a2c68e4566",
}
CLASSES = ["description", "entity", "abbreviation", "human", "location", "number"]  # by their digits in the files


class Trec(LabelledTexts):
    """5,452 + 500 questions in six classes; the share `validation` of the training questions validates.

    Ten training questions are among the 500 of the published test. They are left out of training, so that the test
    stays whole and compares with published values.
    """

    LICENCE = "none stated; published for research by the Cognitive Computation Group, University of Illinois"
    ORIGIN = "TREC questions, labelled by Xin Li and Dan Roth"
    FETCHED_MB = 0.3
    test = 0.0  # the test is given

    def __init__(
        self,
        *,
        tokenizer: Kind,
        vocabulary: int,
        longest: int,
        validation: float,
        seed: int,
        mirror: str | None = None,
    ) -> None:
        self.tokenizer, self.vocabulary, self.longest = tokenizer, vocabulary, longest
        self.validation, self.seed = validation, seed
        self.mirror = mirror

    def _place(self) -> Path:
        return Path("trec")

    def _read(self, downloads: Path) -> Given:
        given = {split: self._questions(split, downloads) for split in DIGESTS}
        tested = {one.text for one in given["test"]}
        kept = [one for one in given["train"] if one.text not in tested]
        said = [f"{len(given['train']) - len(kept)} questions of train left out: test holds them too"]
        splits = Splits({split: [f"{split}.txt"] for split in given}, named=True)
        return Given(splits, {**given, "train": kept}, CLASSES, said)

    def _questions(self, split: str, downloads: Path) -> list[Labelled]:
        """Return the questions of a fetched file: a class's digit, a space, the question. One byte is no ASCII: a dash
        that was lost, in "sister city"."""
        places: list[Place] = [Folder(folder) for folder in mirrors(self.mirror, "trec")]
        places.append(Address(f"{UPSTREAM}/{UPSTREAM_NAMES[split]}"))
        content = fetch(downloads / f"{split}.txt", digests=[DIGESTS[split]], places=places).read_bytes()
        lines = content.replace(b"\xf0", b" ").decode("ascii").splitlines()
        return [
            Labelled(line[2:].strip(), CLASSES[int(line[0])], f"{split}.txt, line {i}")
            for i, line in enumerate(lines, 1)
        ]
