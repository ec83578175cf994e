"""Walk through the nested containers of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of everything in nested mappings and lists, `node` itself first."""
    yield key, node
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from walk(value, join(key, name))


def join(key: str, name: Any) -> str:
    """Return the dotted key of `name` within `key`, which is "" for the whole."""
    return f"{key}.{name}" if key else str(name)
