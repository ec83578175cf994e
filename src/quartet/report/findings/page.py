"""Build the page of findings: one self-contained HTML file."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence

from quartet.report.drawing.document import document
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.findings.concluded import NOT_MEASURED, Concluded
from quartet.report.table import missing, table

TITLE = "What the article says, and what was measured"


def page(findings: Sequence[Concluded]) -> str:
    """Return the page as HTML: a table of all verdicts, then each finding with its figures, rule and numbers."""
    main = tag("main", contents(findings), [_finding(finding) for finding in findings])
    header = tag("header", tag("h1", TITLE), tag("p", opening(findings), class_="standfirst"))
    return document(TITLE, tag("body", header, main, _footer()))


def opening(findings: Sequence[Concluded]) -> str:
    """Return how many statements have which verdict, in one sentence."""
    counts = Counter(finding.verdict for finding in findings)
    listed = ", ".join(f"{count} × {verdict}" for verdict, count in counts.items())
    return f"{len(findings)} statements about CNN, RNN, Transformer and GAN, put to the test: {listed}."


def contents(findings: Sequence[Concluded]) -> Markup:
    """Return the table of verdicts, with the one number of each finding."""
    rows = [
        [
            tag("th", tag("a", finding.id, href=f"#{finding.id}"), scope="row"),
            tag("td", finding.statement, class_="words"),
            tag("td", tag("strong", finding.verdict)),
            tag("td", *_headline(finding), class_="words"),
        ]
        for finding in findings
    ]
    caption = "In brackets 95 % intervals. A verdict follows from the intervals by the finding's rule."
    return tag(
        "section",
        tag("h2", "At a glance"),
        table(rows, head=["", "Statement", "Verdict", "Number"], caption=caption),
    )


def _headline(finding: Concluded) -> list[object]:
    """Return the number that stands for a finding, and what it is."""
    found = finding.numbers.get(finding.headline)
    return ["–"] if found is None else [tag("strong", str(found)), tag("br"), tag("small", found.about)]


def _finding(finding: Concluded) -> Markup:
    """Return the section of one finding."""
    return tag(
        "section",
        tag("p", f"{finding.id} · {finding.verdict}", class_="kicker"),
        tag("h2", finding.statement),
        _measured(finding) if finding.verdict != NOT_MEASURED else missing(f"Not measured yet: {finding.command}"),
        tag("h3", "What speaks against this measurement"),
        tag("p", finding.against),
        tag("p", "Repeat it: ", tag("code", finding.command)),
        id=finding.id,
    )


def _measured(finding: Concluded) -> Markup:
    """Return figures, rule, numbers and texts."""
    seeds = f"{len(finding.seeds)} seed" + ("s" if len(finding.seeds) != 1 else "")
    facts = (
        f"{finding.runs} trained runs, {seeds}. Rule of commit {finding.rule_commit}, measured by commit "
        f"{finding.commit}."
    )
    return join(
        [_picture(name, content) for name, content in finding.figures.items()],
        tag("h3", "The rule, and how it came out"),
        tag("ul", [tag("li", tag("strong", bound.words), f" – {bound.outcome}") for bound in finding.rule]),
        _numbers(finding),
        [_text(heading, text) for heading, text in finding.texts.items()],
        tag("p", facts, class_="note"),
    )


def _picture(name: str, content: bytes) -> Markup:
    """Return a picture within the page."""
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return tag("figure", tag("img", src=source, alt=name.replace("_", " "), style="max-width:100%;height:auto"))


def _numbers(finding: Concluded) -> Markup:
    """Return the table of all numbers."""
    rows = [
        [
            tag("th", tag("code", name), scope="row"),
            tag("td", str(found)),
            tag("td", found.about, class_="words"),
            tag("td", found.covers or "–"),
        ]
        for name, found in finding.numbers.items()
    ]
    return table(rows, head=["Number", "Mean and 95 % interval", "What it is", "Interval over"], caption="All numbers.")


def _text(heading: str, text: str) -> Markup:
    """Return a text as the measurement wrote it."""
    return tag("details", tag("summary", heading), tag("pre", text, class_="text"))


def _footer() -> Markup:
    """Return how verdicts come about."""
    text = (
        "A condition is met or failed where the whole 95 % interval lies on one side of its threshold, else it is "
        "open. All conditions met: holds. All failed: does not hold here. Some of each: holds in part. Where an open "
        "condition could change that: not decided."
    )
    return tag("footer", tag("p", text))
