"""What goes into a trained model and what comes out, in plain JSON: with its weights, all that predicting takes.

`model.json` beside `model.safetensors` holds it. Neither can carry code, so that a model may come from anywhere.
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
    """The description of a model.

    Args:
        role: its name, or the dotted path of a user's own.
        net: the recipe, as in conf/net/.
        facts: what the role describes a model of its own by.
    """
    return {"role": role, "net": dict(net or {}), **roles.find(role).describe(**facts)}


def read(folder: Path) -> dict[str, Any]:
    """The description in a folder. Raises QuartetError where there is none."""
    try:
        described = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if described["role"] in roles.SHIPPED or "." in described["role"]:
            if "noise" in described:  # its name before
                described["latent_dim"] = described.pop("noise")
            return {**described, "net": upgraded(described.get("net") or {}, "net")}
        reason = f"role {described['role']!r}"
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = "it is not there" if isinstance(error, FileNotFoundError) else str(error)
    raise QuartetError(
        f"{folder}: no model to predict with: {FILE}: {reason}\n"
        "Give the folder of a finished run; one that was trained before there was this file, train again"
    )
