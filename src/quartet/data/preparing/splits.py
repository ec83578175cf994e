"""Recognise the splits of a user's own data by name: the same rule for folders, files and arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quartet.data.loading.files import SPLITS
from quartet.data.preparing.own_files import entries, name_some
from quartet.types import QuartetError

NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}
SPLIT_OF = {name: split for split, names in NAMES.items() for name in names}
# Names of parts, as in europarl.train.en, newstest2014.de or test_2016_flickr.en.
HINTS = {**SPLIT_OF, "trn": "train", "tst": "test", "newstest": "test", "newsdev": "val"}
# Endings of files that may hold data.
DATA = frozenset(
    {"txt", "tsv", "csv", "md", "json", "jsonl", "xml", "tmx", "html", "parquet", "arrow", "npz", "npy"}
    | {"xlsx", "xls", "ods", "gz", "bz2", "xz", "zip", "7z"}
)
_WORDS = (
    r"trn|train(?:ing)?|val(?:id(?:ation)?)?|dev(?:el(?:opment)?)?|te?st|testing|eval(?:uation)?|hold[\W_]*out|"
    r"held[\W_]*out"
)
_NEUTRAL = (
    r"set|data|split|part|images?|imgs?|pictures?|pics|photos|files?|texts?|sentences?|pairs|labels?|src|raw|clean|full|"
    r"final|all|new|old|other|copy|idx|ind(?:ex|exes|ices)|ids|mask|[\W_\d]"
)
# What means a split without being called one: test2016, train (1), valset, test_images, eval.
_ALMOST = re.compile(rf"[\W_\d]*(?:{_WORDS})(?:{_NEUTRAL})*")


@dataclass(frozen=True)
class Splits:
    """The entries of each split, and the entries `left` out. Without any named split, all entries are `train`."""

    entries: dict[str, list[str]]
    left: list[str] = field(default_factory=list)
    named: bool = False  # whether an entry is called train

    @property
    def missing(self) -> list[str]:
        """Return the splits to hold out of training."""
        return [split for split in SPLITS if split not in self.entries]


def split_of(name: str) -> str | None:
    """Return the split that is called `name`, in any case; None for another name."""
    return SPLIT_OF.get(name.strip().lower())


def means_split(name: str) -> bool:
    """Return whether `name` can only mean a split: `train`, but also `test2016`, `train (1)`, `val_images`, `eval`."""
    return _ALMOST.fullmatch(name.strip().lower()) is not None


def find_splits(names: Mapping[str, str], *, where: Path) -> Splits:
    """Sort entries into splits. `names`: what may be a split's name, by entry (`Train.txt` → `Train`).

    With a training split, other entries are left out. Without one, they are the training split. Raises QuartetError for
    two entries of one split, for no training data, and for what looks like a split but is not called one.
    """
    found: dict[str, list[str]] = {}
    for entry, name in names.items():
        found.setdefault(split_of(name) or "", []).append(entry)
    rest = found.pop("", [])
    for split, same in found.items():
        if len(same) > 1:
            raise QuartetError(f"{where}: {name_some(same)} are all called {split}; join them, or move others away")
    if odd := _look_alikes({entry: names[entry] for entry in rest}, given=set(found)):
        raise QuartetError(
            f"{where}: {name_some(odd)}: this looks like a split, but is not called train, val or test\n"
            "rename it to one of these, or put several into a folder of that name; if it is no split, give it another "
            "name or move it away"
        )
    if "train" in found:
        return Splits({split: found[split] for split in SPLITS if split in found}, left=rest, named=True)
    if found and not rest:
        given = " and ".join(split for split in SPLITS if split in found)
        raise QuartetError(f"{where}: there is {given}, but nothing to train on; add train beside it")
    return Splits({"train": rest, **{split: found[split] for split in SPLITS if split in found}})


def _look_alikes(names: Mapping[str, str], *, given: set[str]) -> list[str]:
    """Return the entries that look like splits: always `test2016`; `x.train` and `x.test` beside each other or beside
    splits; `corpus_test` beside `corpus`."""
    almost = [entry for entry, name in names.items() if means_split(name)]
    if almost or "train" in given:
        return almost
    hinted: dict[str, str] = {}
    bases = {tuple(_parts(name)) for name in names.values()}
    for entry, name in names.items():
        parts = _parts(name)
        for hint, base in ((parts[-1:], parts[:-1]), (parts[:1], parts[1:])):
            if hint and hint[0] in HINTS and (base or hint[0] not in SPLIT_OF):
                if base and tuple(base) in bases:
                    return [entry]
                hinted.setdefault(entry, HINTS[hint[0]])
    return list(hinted) if len({*hinted.values(), *given}) > 1 else []


def _parts(name: str) -> list[str]:
    """Return the words of a name in small letters: `News.Test-2014` → news, test."""
    return [part for part in re.split(r"[\W_\d]+", name.lower()) if part]


def refuse_nested(files: Iterable[Path], *, root: Path, remedy: str, names: bool = False) -> None:
    """Raise QuartetError if something deeper than directly in `root` is called like splits, and would be mixed.

    A training split alone mixes nothing.

    Args:
        files: the files below `root` that are to be read.
        names: whether files may be splits (train.txt); else only folders.
    """
    below: dict[Path, dict[str, Path]] = {}
    for file in files:
        parts = file.relative_to(root).parts
        is_data = names and file.suffix.lower().lstrip(".") in DATA
        for depth in range(1, len(parts) if is_data else len(parts) - 1):
            path = root.joinpath(*parts[: depth + 1])
            if split := split_of(path.stem if depth == len(parts) - 1 else path.name):
                below.setdefault(path.parent, {}).setdefault(split, path)
    for parent, splits in below.items():
        if set(splits) != {"train"}:
            held = name_some(sorted(path.name for path in splits.values()))
            raise QuartetError(f"{parent} holds {held}: this looks like a split, but lies too deep\n{remedy}")


def refuse_unread(folder: Path, splits: Splits) -> None:
    """Raise QuartetError for files that are called like a missing split, but cannot be read: `test.csv`."""
    for path in entries(folder):
        name, _, endings = path.name.partition(".")
        if path.is_file() and split_of(name) in splits.missing and endings.lower().rpartition(".")[2] in DATA:
            raise QuartetError(
                f"{path}: this looks like a split, but is not read; save it as the other files are, or move it away"
            )


def describe_taken(
    counts: Mapping[str, int], splits: Splits, *, unit: str = "", classes: Iterable[str] | None = None
) -> list[str]:
    """Return the lines that say what was taken as what: the examples of each split, the classes, and what is left out.

    "train 36, val 40 (valid), test 4 held out of train; classes circle, square"
    """
    parts, shown = [], list(classes or ())
    for split in SPLITS:
        entries = splits.entries.get(split)
        plain = entries is None or entries == shown or [Path(entry).stem for entry in entries] == [split]
        origin = " held out of train" if entries is None else "" if plain else f" ({name_some(entries)})"
        parts.append(f"{split} {counts[split]}{unit}{origin}")
    said = ", ".join(parts)
    lines = [f"{said}; classes {name_some(shown, most=20)}" if shown else said]
    return lines + ([f"left out, as they are no split: {name_some(splits.left)}"] if splits.left else [])
