"""Shape parameters, tags and names as MLflow's store takes them."""

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
    """Return nested settings as `{"net.width": "32", …}`: strings unchanged, other values as JSON (null, true, [1,
    2])."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
            flat[f"{prefix}{key}"] = text
    return flat


def mlflow_tags(tags: Mapping[str, str], parent: str | None) -> dict[str, str]:
    """Return the tags, with MLflow's own tags for its table of runs and its tree of runs."""
    own = {"mlflow.source.name": sys.argv[0] or "python", "mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError, ImportError):  # a container's user may have no name
        own["mlflow.user"] = getpass.getuser()
    if "git_commit" in tags:
        own["mlflow.source.git.commit"] = str(tags["git_commit"])
    if parent:
        own["mlflow.parentRunId"] = parent
    return own | {allowed_name(key): str(value)[:TAG_LENGTH] for key, value in tags.items()}


def version_alias(rank: str, data: str) -> str:
    """Return the alias of a rank on a data set, such as `champion-fashion_mnist`, in the characters that MLflow
    allows."""
    return re.sub(r"[^\w-]", "_", f"{rank}-{data}")


def allowed_name(name: str) -> str:
    """Return a name with the characters and the length that MLflow allows."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:NAME_LENGTH]
