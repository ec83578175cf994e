"""The description of a trained model, in plain JSON: with the weights, it is all that prediction needs.

`model.json` holds it, and `model.safetensors` the weights. Neither can contain code, so that a model from anywhere is
safe to load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quartet import roles
from quartet.renamed import upgraded
from quartet.types import QuartetError

FILE = "model.json"


def describe(*, role: str, net: Mapping[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    """Return the description of a model.

    Args:
        role: the name of its role, or the dotted path of a user's own.
        net: the recipe, as in conf/net/.
        facts: the keywords of the role's own `describe`.
    """
    return {"role": role, "net": dict(net or {}), **roles.find(role).describe(**facts)}


def read(folder: Path) -> dict[str, Any]:
    """Return the description in a folder. Raises QuartetError if there is none."""
    try:
        described = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if described["role"] in roles.SHIPPED or "." in described["role"]:
            if "noise" in described:  # the key's old name
                described["latent_dim"] = described.pop("noise")
            return {**described, "net": upgraded(described.get("net") or {}, "net")}
        reason = f"role {described['role']!r}"
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
    raise QuartetError(
        f"{folder}: no model to predict with: {FILE}: {reason}\n"
        "Give the folder of a finished run; train a run again if it is older than this file"
    )
