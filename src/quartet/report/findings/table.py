"""Write the findings in Markdown: a table of all, and a section for each."""

from __future__ import annotations

from collections.abc import Sequence

from quartet.report.findings.concluded import Concluded


def markdown(findings: Sequence[Concluded]) -> str:
    """Return a table in Markdown with a row for each finding: verdict, number and first figure."""
    lines = ["| | statement | verdict | number |", "|---|---|---|---|"]
    for finding in findings:
        found = finding.numbers.get(finding.headline)
        number = "–" if found is None else f"{found}: {found.about}"
        cells = (finding.id, finding.statement, f"**{finding.verdict}**", number)
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def section(finding: Concluded, figure: tuple[str, str] | None) -> str:
    """Return a finding in Markdown: the statement, how its rule came out, `figure` (its name and file), and commits."""
    lines = [f"## {finding.id}: {finding.verdict}", "", finding.statement, ""]
    lines += [
        f"- **{bound.word}**: {bound.words}. It is {finding.numbers[bound.name]}: {finding.numbers[bound.name].about}"
        for bound in finding.rule
    ]
    if finding.numbers:
        of = f"rule of {finding.rule_commit}, measured by {finding.commit[:7]}"
        lines += ["", f"Seeds {', '.join(map(str, finding.seeds))}; {of}. `{finding.command}` repeats it."]
    if figure:
        lines += ["", "![{}]({})".format(*figure)]
    if finding.numbers:
        lines += ["", f"Against it: {' '.join(finding.against.split())}"]
    return "\n".join(lines) + "\n"
