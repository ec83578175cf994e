"""Find a user's own code: packages that a `_target_` names, neither shipped nor installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quartet_app.config.project import REPOSITORY

INSTALLED = {"site-packages", "dist-packages"}


def own_sources(config: Any) -> dict[str, Path]:
    """Return the source files of a user's own packages that `config` names, by their path within the package.

    All files of such a package count, since its modules import each other. Python's own modules, installed packages and
    this repository's `src/` do not count: versions, or another digest, identify them.
    """
    tops = {target.partition(".")[0] for target in targets(config)} - set(sys.stdlib_module_names)
    found = {}
    for top in sorted(tops):
        for path in source_files(top):
            if not is_installed(path):
                inside = path.parts[path.parts.index(top) :] if top in path.parts else (path.name,)
                found["/".join(inside)] = path
    return found


def targets(node: Any) -> Iterator[str]:
    """Yield every `_target_` of a resolved configuration."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def is_installed(path: Path) -> bool:
    """Return True for a file of an installed package, or of this repository."""
    return bool(INSTALLED & set(path.parts)) or path.is_relative_to(REPOSITORY / "src")


def source_files(top: str) -> list[Path]:
    """Return the source files of a package, or the single file of a module, without importing it.

    An installed package has none: to list those of torch takes longer than all else of a run's name.
    """
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    folders = [Path(folder).resolve() for folder in spec.submodule_search_locations or ()]
    if folders:
        return [path for folder in folders if not is_installed(folder) for path in sorted(folder.rglob("*.py"))]
    return [Path(spec.origin).resolve()] if spec.origin and spec.origin.endswith(".py") else []
