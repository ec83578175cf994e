"""Roles: how a trained model predicts for a person. Each file covers one role, from description to answers.

A task names its role by `ROLE`. `classify` is `quartet.roles.classify.Classify`; a user's own role has the dotted path
of its class. Importing a role is fast: it loads torch and numpy only when it needs them.
"""

from __future__ import annotations

from importlib import import_module

from quartet.roles.role import Role
from quartet.types import QuartetError

SHIPPED = ("classify", "language", "translate", "generate")

__all__ = ["SHIPPED", "Role", "find"]


def find(name: str) -> Role:
    """Return the role with this name or dotted path. Raises QuartetError if there is none.

    A dotted path is imported: it must come from a person or from a task's code, never from a file.
    """
    own = "." in name
    module, _, title = name.rpartition(".") if own else (f"{__name__}.{name}", "", _title(name))
    try:
        made = getattr(import_module(module), title, None) if own or name.isidentifier() else None
    except ModuleNotFoundError as error:
        if not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        made = None
    if not (isinstance(made, type) and issubclass(made, Role)):
        raise QuartetError(
            f"role: {name}: no such role; take one of {', '.join(SHIPPED)}, or the dotted path of a quartet.roles.Role"
        )
    return made(name)


def _title(name: str) -> str:
    """Return the class name of a role's file: `fill_masks` → FillMasks."""
    return "".join(word.capitalize() for word in name.split("_"))
