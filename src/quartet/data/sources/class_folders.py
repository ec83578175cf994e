"""Find a user's examples in one folder for each class, with or without folders of splits above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quartet.data.preparing.own_files import entries, files_below, name_some, subfolders
from quartet.data.preparing.splits import Splits, find_splits, refuse_nested, split_of
from quartet.types import QuartetError

Item = tuple[Path, int]


@dataclass(frozen=True)
class Endings:
    """Files of examples: their endings, in any case, and what a person calls examples and files."""

    endings: Sequence[str]
    examples: str  # images
    files: str  # pictures

    def include(self, path: Path) -> bool:
        """Return whether a file's ending is that of an example."""
        return path.suffix.lower() in self.endings


@dataclass(frozen=True)
class ClassFolders:
    """What the folder holds: the splits, the folder of each, the classes, and each split's (path, label) items."""

    splits: Splits
    roots: dict[str, Path]
    classes: list[str]
    items: dict[str, list[Item]]

    def ignored(self, wanted: Endings) -> list[str]:
        """Return a line about the files that are not read, by ending; examples beside the class folders too."""
        counts: Counter[str] = Counter()
        for root in self.roots.values():
            loose = [path for path in entries(root) if path.is_file() and wanted.include(path)]
            counts.update(f"{path.suffix.lower()} outside a class folder" for path in loose)
            below = [path for name in self.classes for path in files_below(root / name)]
            counts.update(path.suffix.lower() or "without an ending" for path in below if not wanted.include(path))
        listed = ", ".join(f"{count} {ending}" for ending, count in sorted(counts.items()))
        return [f"not read: {listed}"] if counts else []


def find_classes(folder: Path, wanted: Endings) -> ClassFolders:
    """Return what `folder` holds. Raises QuartetError for folders that are neither splits nor classes."""
    if not folder.is_dir():
        raise QuartetError(
            f"data.source.folder: there is no folder {folder.absolute()}; give one that holds a folder for each class"
        )
    splits = find_splits({path.name: path.name for path in subfolders(folder)}, where=folder)
    roots = {split: folder / found[0] for split, found in splits.entries.items() if found}
    inside = {split: [path.name for path in subfolders(root)] for split, root in roots.items()}
    if not splits.named:
        roots["train"], inside["train"] = folder, splits.entries["train"]
    classes = class_names(roots["train"], inside["train"])
    for split, found in inside.items():
        if unknown := sorted(set(found) - set(classes)):
            raise QuartetError(
                f"{roots[split] / unknown[0]}: the training {wanted.examples} have no such class; they have {classes}"
            )
        if not found:
            raise QuartetError(
                f"{roots[split]}: this looks like a split and holds no class folder; move its {wanted.files} into "
                f"{name_some(classes)}, or move it away. If it is a class, give it another name"
            )
    items = {split: list_examples(root, classes, wanted) for split, root in roots.items()}
    remedy = "put splits above the classes, as train/cat and test/cat; if it is no split, give it another name"
    refuse_nested((path for part in items.values() for path, _ in part), root=folder, remedy=remedy)
    return ClassFolders(splits, roots, classes, items)


def class_names(folder: Path, names: list[str]) -> list[str]:
    """Return the names of the class folders. Raises QuartetError if there are fewer than two, or splits in their
    place."""
    inside = {name: [path.name for path in subfolders(folder / name)] for name in names} if len(names) == 1 else {}
    for name, below in inside.items():
        if len(below) > 1:
            raise QuartetError(
                f"data.source.folder: {folder} holds 1 class folder, {name}; data.source.folder={folder / name} has "
                f"{name_some(below)}"
            )
    if len(names) < 2:
        hint = "; if this is a class and no split, give it another name" if split_of(folder.name) else ""
        raise QuartetError(f"data.source.folder: {folder} holds {len(names)} class folders; two or more would do{hint}")
    for name in names:
        if not name.isprintable():  # control characters, and bytes outside UTF-8
            raise QuartetError(
                f"data.source.folder: {folder} holds the class {name!a}, which cannot be printed; rename it"
            )
    return names


def list_examples(folder: Path, classes: list[str], wanted: Endings) -> list[Item]:
    """Return each class's files in order of name. Raises QuartetError for a class without any."""
    items = []
    for label, name in enumerate(classes):
        below = files_below(folder / name) if (folder / name).is_dir() else []
        found = [path for path in below if wanted.include(path)]
        if not found:
            listed = " ".join(wanted.endings)
            raise QuartetError(f"{folder / name}: a class without {wanted.examples}; add some ({listed}) or remove it")
        items += [(path, label) for path in found]
    return items
