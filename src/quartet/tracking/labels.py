"""Parameters, tags and names in the shape and the lengths that MLflow's store takes."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

TAG_LENGTH, NAME_LENGTH = 8000, 250  # characters


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested tree as `{"net.width": "32", …}`: strings as they are, the rest as JSON (null, true, [1, 2])."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
            flat[f"{prefix}{key}"] = text
    return flat


def labels(tags: Mapping[str, str], parent: str | None) -> dict[str, str]:
    """The tags, and those of MLflow's own that its runs table and its tree of runs go by."""
    own = {"mlflow.source.name": sys.argv[0] or "python", "mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError, ImportError):  # a container's user may have no name
        own["mlflow.user"] = getpass.getuser()
    if "git_commit" in tags:
        own["mlflow.source.git.commit"] = str(tags["git_commit"])
    if parent:
        own["mlflow.parentRunId"] = parent
    return own | {allowed(key): str(value)[:TAG_LENGTH] for key, value in tags.items()}


def alias(rank: str, data: str) -> str:
    """`champion-fashion_mnist`, what a version is called that has this rank on a data set; with the characters that an
    alias may have."""
    return re.sub(r"[^\w-]", "_", f"{rank}-{data}")


def allowed(name: str) -> str:
    """A name with the characters that MLflow allows."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:NAME_LENGTH]
