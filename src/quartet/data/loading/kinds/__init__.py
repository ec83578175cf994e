"""Kinds of data, one file each, and the lookup of a kind's class by its name.

A new kind is a subclass of `Kind`; a source names it in `KIND`. The shipped kinds have short names; your own kind has
the full path of its class, such as `toy.Waves`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from quartet.types import QuartetError

if TYPE_CHECKING:
    from quartet.data.loading.kinds.kind import Kind

SHIPPED = {
    "images": "quartet.data.loading.kinds.images.ImageKind",
    "series": "quartet.data.loading.kinds.series.SeriesKind",
    "text": "quartet.data.loading.kinds.text.TextKind",
    "labelled_text": "quartet.data.loading.kinds.labelled_text.LabelledTextKind",
    "pairs": "quartet.data.loading.kinds.pairs.PairsKind",
}


def kind_path(name: str) -> str:
    """Return the full path of the class with this name."""
    return SHIPPED.get(name, name)


def kind_class(name: str) -> type[Kind]:
    """Return the class with this name. Raises QuartetError if there is none."""
    from quartet.data.loading.kinds.kind import Kind

    module, _, attribute = kind_path(name).rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise QuartetError(
            f"{name}: there is no such kind of data ({error}); "
            f"a source's KIND is one of {', '.join(SHIPPED)}, or the full path of a class"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Kind)):
        raise QuartetError(f"{name}: not a kind of data; make it a subclass of quartet.data.Kind")
    return found
