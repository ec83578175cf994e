"""Write a whole page: one self-contained HTML file with the report's style."""

from __future__ import annotations

from importlib.resources import files

from quartet.report.drawing.markup import Markup, tag


def document(title: str, body: Markup) -> str:
    """Return a page without scripts, fonts or external pictures; `body` is the element of that name."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(files("quartet.report").joinpath("page.css").read_text(encoding="utf-8"))),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"
