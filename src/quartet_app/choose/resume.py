"""Find the question that an earlier attempt has not answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.choose.choose import STATE, read_state
from quartet_app.choose.question import Question, ask
from quartet_app.config.trust import check_file

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
    if not (folder / STATE).exists():
        raise QuartetError(f"{folder}: no question was asked there; quartet choose data=… --out {folder} asks one")
    return read_question(folder), folder


def read_question(folder: Path) -> Question:
    """Return the question of an answer's folder, which may come from somebody else.

    QuartetError where it is damaged, or where it names what a file may not: see `trust`.
    """
    path, facts = folder / STATE, read_state(folder)["question"]
    retype = f"if it is yours, give the question itself in place of --resume: quartet choose … --out {folder}"
    try:
        given: dict[str, Any] = {
            "seconds": float(facts["seconds"]),
            "seeds": int(facts["seeds"]),
            "limits": {str(key): float(value) for key, value in facts["limits"].items()},
            "price": facts.get("price") and float(facts["price"]),
        }
        nets, overrides = [[str(one) for one in facts[key]] for key in ("nets", "overrides")]
        line = str(facts["line"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise QuartetError(f"{path}: damaged ({type(error).__name__}: {error})\n{retype}") from error
    if odd := next((one for one in overrides if "${" in one), None):
        raise QuartetError(f"{path}: {odd}: a file may not ask for what this machine holds\n{retype}")
    question, _ = ask(overrides, nets=nets, line=line, size=None, **given)
    for net in question.nets:
        config = question.config(net)
        try:
            check_file(config, path)
        except QuartetError as error:
            raise QuartetError(f"{str(error).splitlines()[0]}\n{retype}") from error
        if config["launcher"].get("address"):
            raise QuartetError(f"{path}: launcher.address: a cluster that a file names can run any code\n{retype}")
    return question
