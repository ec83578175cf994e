"""Find the question that an earlier attempt has not answered."""

from __future__ import annotations

from pathlib import Path

from quartet.types import QuartetError
from quartet_app.choose.choose import STATE
from quartet_app.choose.question import Question
from quartet_app.files import read_json

ANSWERS = Path("answers")


def stored(folder: Path | None) -> tuple[Question, Path]:
    """Return the question in `folder`, and the folder; None for the newest one that has no answer yet."""
    if folder is None:
        open_ones = [path for path in ANSWERS.glob(f"*/{STATE}") if not path.with_name("answer.json").exists()]
        if not open_ones:
            raise QuartetError(
                f"--resume: no question in {ANSWERS}/ is without an answer; ask one: quartet choose data=…"
            )
        folder = max(open_ones, key=lambda path: path.stat().st_mtime).parent
    facts = read_json(folder / STATE).get("question")
    if not facts:
        raise QuartetError(f"{folder}: no question was asked there; quartet choose data=… --out {folder} asks one")
    return Question(**{**facts, "nets": tuple(facts["nets"]), "overrides": tuple(facts["overrides"])}), folder
