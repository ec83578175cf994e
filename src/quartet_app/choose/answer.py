"""Evaluate the winners' runs, choose among them, and write the answer: a page, Markdown and JSON."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.budget import Budget
from quartet.report.answering.answer import Answer, Growth, Tuning, certainty, headline, tuning_sentence
from quartet.report.comparing.comparison import comparisons
from quartet.report.comparing.constraints import satisfying
from quartet.report.run import Run, group_by_experiment
from quartet.types import QuartetError
from quartet_app.choose.search import found, searched, sweep_folder, winning_values
from quartet_app.files import read_json, write_text

if TYPE_CHECKING:
    from quartet_app.choose.question import Question
    from quartet_app.choose.timetable import Timetable

ENDED = ("finished", "stopped")
SLACK = 0.02  # by which a limit may be missed: `match` sets sizes within 2 %


def whole_runs(question: Question, net: str, folder: Path) -> list[Path]:
    """Return the folders of the winner's runs with the whole budget and all training data, in the order of seeds.

    Runs that the end of the time has cut short count only where none came to its end; see `cut_short`.
    """
    whole = [trial for trial in finals(question, net, folder) if not changed(trial)]
    ended = [trial for trial in whole if trial["status"] == "finished"]
    return [run_folder(question, net, folder, trial) for trial in ended or whole]


def cut_short(question: Question, folder: Path) -> list[str]:
    """Return a note on each net whose runs all ended before their budget was over."""
    notes = []
    for net in question.nets:
        whole = [trial["status"] for trial in finals(question, net, folder) if not changed(trial)]
        if whole and "finished" not in whole:
            notes.append(f"The time was over before a run of {net} had its whole budget: it may reach more than this.")
    return notes


def run_folder(question: Question, net: str, folder: Path, trial: dict[str, Any]) -> Path:
    """Return the folder of a trial's run: within that of its sweep, wherever the answer has been moved."""
    return sweep_folder(question, net, folder) / str(int(trial["number"]))


def finals(question: Question, net: str, folder: Path) -> list[dict[str, Any]]:
    """Return the winner's runs that have ended with results."""
    result = found(question, net, folder)
    return [
        trial
        for trial in result.get("trials", [])
        if trial["stage"] == "final" and trial["of"] == result["best"] and trial["status"] in ENDED
        and (run_folder(question, net, folder, trial) / "run.json").exists()
    ]  # fmt: skip


def changed(trial: dict[str, Any]) -> dict[str, str]:
    """Return what a final changes of the budget and of the data, by key."""
    pairs = dict(line.split("=", 1) for line in trial["more"])
    return {key: value for key, value in pairs.items() if key in ("budget", "data.loading.limit_train")}


def evaluate_all(folders: list[Path], *, at_once: int) -> None:
    """Evaluate the runs that have no evaluation yet, several at once, each in a process of its own."""
    from quartet_app.progress import Steps

    waiting = [folder for folder in folders if not (folder / "evaluate" / "metrics.json").exists()]
    if not waiting:
        return
    workers = max(1, min(at_once, len(waiting)))
    with Steps(title="evaluation") as progress, ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        done = [pool.submit(evaluate_one, folder, max(1, at_once // workers)) for folder in waiting]
        for count, future in enumerate(as_completed(done), 1):
            future.result()
            progress("runs", count, len(waiting))


def measure_serving(runs: list[list[Path]]) -> None:
    """Measure what serving costs for the first run of each net, one after another: side by side, times mean nothing."""
    from quartet_app.run.costs import measure_later, wanted

    for first in [folders[0] for folders in runs if folders]:
        if wanted() and "bytes" not in read_json(first / "evaluate" / "cost.json"):
            measure_later(first, first / "evaluate")


def evaluate_one(folder: Path, threads: int) -> None:
    """Evaluate a run in `folder`; the function of a process. What serving costs comes later, see `measure_serving`."""
    import torch

    from quartet_app.run.evaluate import evaluate

    torch.set_num_threads(threads)
    evaluate(folder, out=folder / "evaluate", costs=False)


def load_runs(question: Question, folder: Path) -> list[Run]:
    """Load the evaluated runs of all winners. Their settings count as tuned, by the number of the search's trials."""
    from quartet_app.comparison.report import priced
    from quartet_app.run.results import load_run

    runs = []
    for net in question.nets:
        trials = len(searched(found(question, net, folder)))
        for place in whole_runs(question, net, folder):
            run = load_run(place, place / "evaluate")
            runs.append(replace(run, record={**run.record, "tuning_trials": trials, "sweep": None}))
    return runs if question.price is None else priced(runs, question.price)


def answer(question: Question, table: Timetable, folder: Path, runs: list[Run], left_out: list[str]) -> Answer:
    """Return the answer that the runs give. QuartetError where no net has a run to its end."""
    from quartet_app.comparison.champion import best

    experiments = group_by_experiment(runs)
    if not experiments:
        raise QuartetError(f"no net came to its end in the time given; see {folder / 'search'}, and give more time")
    (comparison,) = comparisons(runs)
    kept, reasons = satisfying(experiments, question.limits, slack=SLACK)
    notes = [*left_out, *reasons.values(), *fewer_trials(question, folder), *cut_short(question, folder)]
    try:
        if not kept:
            raise QuartetError("no net is within the limits")
        winner = best(kept).experiment
        said, sure = headline(comparison, winner), certainty(comparison, winner)
    except QuartetError as error:
        winner, said, sure = None, "Take none of them yet.", [str(error).splitlines()[0] + "."]
    tunings = [tuning(question, net, folder) for net in question.nets]
    return Answer(
        winner=str(winner.name) if winner else None,
        headline=said,
        certainty=tuple(sure),
        notes=tuple(notes),
        tunings=tuple(tunings),
        growths=(
            growth(question, table, folder, "budget"),
            growth(question, table, folder, "data.loading.limit_train"),
        ),
        monitor=str(experiments[0]["monitor"]),
        better=experiments[0]["mode"],
        names=comparison.names,
    )


def fewer_trials(question: Question, folder: Path) -> list[str]:
    """Return a note where the nets came to different numbers of trials in the same time."""
    ended = {
        net: sum(trial["status"] in ENDED for trial in searched(found(question, net, folder))) for net in question.nets
    }
    if len(set(ended.values())) == 1:
        return []
    listed = ", ".join(f"{net} {count}" for net, count in ended.items())
    return [f"The time was over before each net had the same number of trials: {listed}. More time mends that."]


def tuning(question: Question, net: str, folder: Path) -> Tuning:
    """Return what a net's search found."""
    result = found(question, net, folder)
    trials = searched(result)
    scores = [trial["score"] for trial in trials if trial["status"] == "finished" and trial["score"] is not None]
    shown = {
        key: f"{value:.3g}" if isinstance(value, float) else value for key, value in winning_values(result).items()
    }
    return Tuning(
        experiment=question.experiment(net),
        trials=len(trials),
        default=tuple(result["default_scores"]),
        tuned=tuple(result["best_scores"]),
        scores=tuple(scores),
        settings=tuple(f"{key}={value}" for key, value in shown.items()),
    )


def growth(question: Question, table: Timetable, folder: Path, key: str) -> Growth:
    """Return the winners' scores along the budget, or along the share of the training data."""
    lines: dict[str, dict[float, list[float]]] = {}
    for net in question.nets:
        line: dict[float, list[float]] = {}
        for trial in finals(question, net, folder):
            others = [name for name in changed(trial) if name != key]
            if trial["score"] is not None and trial["status"] == "finished" and not others:
                line.setdefault(cost(changed(trial).get(key), table, key), []).append(trial["score"])
        if len(line) > 1:
            lines[question.experiment(net)] = line
    titles = {"budget": ("training", "seconds of training")}
    title, unit = titles.get(key, ("training data", "per cent of the training data"))
    return Growth(title, unit, lines)


def cost(value: str | None, table: Timetable, key: str) -> float:
    """Return a budget in seconds, or a share of the data in per cent; None stands for all."""
    if key == "budget":
        return table.budget if value is None else Budget.parse(value).amount
    return 100.0 if value is None else float(value.rstrip("%"))


def write(given: Answer, runs: list[Run], question: Question, *, folder: Path, register: bool) -> list[str]:
    """Write answer.json and reports/, and register the champion; returns lines for a person."""
    from quartet.report.answering.section import answer_section
    from quartet_app.comparison import in_mlflow
    from quartet_app.comparison.report import verify, write_report

    facts = {**given.facts(), "question": question.facts(), "folder": str(folder)}
    if register:
        verify([place for net in question.nets for place in whole_runs(question, net, folder)])
    write_text(folder / "answer.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write_report(runs, out=folder / "reports", opening=answer_section(given))
    within = [run for run in runs if run["experiment"] == given.winner]
    return in_mlflow.track(runs, out=folder / "reports", registers=register and bool(within), candidates=within)


def lines(given: Answer, folder: Path) -> list[str]:
    """Return the answer as the terminal shows it."""
    tuned = [
        tuning_sentence(one, given.names.get(one.experiment, one.experiment), given.monitor) for one in given.tunings
    ]
    return [
        given.opening,
        *(f"  {text}" for text in given.certainty),
        *(["with more:", *(f"  {text}" for text in given.forecasts)] if given.forecasts else []),
        "tuning:",
        *(f"  {text}" for text in tuned),
        *given.notes,
        f"the page: {(folder / 'reports' / 'index.html').resolve()}",
        f"the settings: {folder / 'tuned'}/<experiment>.yaml; copy one to conf/tuned/ for tuned=<experiment>",
        f"for programs: {folder / 'answer.json'}",
    ]
