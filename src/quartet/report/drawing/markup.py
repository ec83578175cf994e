"""Write HTML and SVG by function calls, which escape all text that is not `Markup`."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already and needs no escape."""


def tag(element: str, *children: object, **attributes: object) -> Markup:
    """Return an element with its children: markup unchanged, other values escaped, None left out.

    Attributes: `class_` becomes class, `aria_label` aria-label; True has no value; None and False are left out.
    """
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in ("br", "img", "meta", "wbr"):
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{join(*children)}</{element}>")


def join(*children: object) -> Markup:
    """Return the children one after another; lists are flattened."""
    return Markup("".join(_child(child) for child in children))


def _child(child: object) -> str:
    """Return a child as markup."""
    if child is None:
        return ""
    if isinstance(child, list | tuple):
        return join(*child)
    return child if isinstance(child, Markup) else escape(str(child), quote=False)


def _attribute(name: str, value: object) -> str:
    """Return an attribute as markup, with a leading space."""
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
