"""HTML and SVG by function call: text is escaped unless it is markup already, so that nothing can be forgotten."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already and is not escaped again."""


def tag(element: str, *children: object, **attributes: object) -> Markup:
    """An element with its children: markup as it is, anything else escaped, None left out.

    Attributes: `class_` is written class, `aria_label` aria-label; True stands alone; None and False are left out.
    """
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in ("br", "img", "meta", "wbr"):
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{join(*children)}</{element}>")


def join(*children: object) -> Markup:
    """Children one after the other; lists are flattened."""
    return Markup("".join(_child(child) for child in children))


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, list | tuple):
        return join(*child)
    return child if isinstance(child, Markup) else escape(str(child), quote=False)


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
