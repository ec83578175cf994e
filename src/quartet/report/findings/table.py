"""Write the findings as a table in Markdown."""

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
