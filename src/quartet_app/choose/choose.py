"""Answer a question in order: prepare and measure, search each net, evaluate the winners, write the answer."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from quartet.report.drawing.numerals import duration, plain
from quartet.types import QuartetError
from quartet_app.choose.asked import note_asked
from quartet_app.choose.question import Question
from quartet_app.choose.search import Place, arguments, elapsed, found, search, space_of, sweep_folder
from quartet_app.choose.timetable import AROUND, Costs, Timetable, import_slowness, measure, share_out
from quartet_app.config.overrides import writable
from quartet_app.files import make_folder, not_read, read_record, write_text

STATE = "choose.json"  # in the answer's folder: the question, the timetable, and the seconds of earlier attempts


def choose(question: Question, left_out: list[str], folder: Path, place: Place, *, register: bool) -> list[str]:
    """Answer the question in `folder`, or go on where an earlier attempt stopped; returns lines for a person."""
    refuse_others(folder)
    make_folder(folder)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise QuartetError(f"{folder}: this question is being answered already; wait, or give another --out") from None
    with lock:
        return _choose(Attempt(question, folder, place), left_out, register=register)


def refuse_others(folder: Path) -> None:
    """Refuse a folder that holds other files than an answer's: it would be mixed up with them, or replace them."""
    writable("the folder", str(folder.absolute()))
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise not_read(folder, error) from error
    # A hidden file may be what a killed attempt left before it had written its state.
    if STATE not in names and {name for name in names if not name.startswith(".")} - {"lock"}:
        raise QuartetError(f"{folder}: is there already, and holds other files than an answer's\nname another --out")


def _choose(attempt: Attempt, left_out: list[str], *, register: bool) -> list[str]:
    """Answer the question of an attempt."""
    from hydra_plugins.quartet_ray_sweeper import ray_running
    from quartet_app.choose import answer
    from quartet_app.run.workers.ray_train import as_quartet_error

    question, folder = attempt.question, attempt.folder
    print("\n".join([attempt.title(), *left_out]), flush=True)
    table = attempt.timetable()
    print(described(table, question), flush=True)
    attempt.note_asked(table)
    waiting = [net for net in question.nets if not found(question, net, folder)]
    if waiting:
        with as_quartet_error(), ray_running(address=attempt.place.address, dashboard=False, key="--address"):
            for net in waiting:
                print(attempt.status(net), flush=True)
                attempt.save(searching=net)
                share = replace(table, slice=attempt.slice(table, net))
                search(arguments(question, share, net, folder, attempt.place))
                attempt.save()
    runs = [answer.whole_runs(question, net, folder) for net in question.nets]
    answer.evaluate_all([run for of_net in runs for run in of_net], at_once=table.at_once)
    answer.measure_serving(runs)
    loaded = answer.load_runs(question, folder)
    given = answer.answer(question, table, folder, loaded, left_out)
    registered = answer.write(given, loaded, question, folder=folder, register=register)
    attempt.save()
    taken = f"answered in {duration(attempt.spent)} of {duration(question.seconds)}"
    return [*answer.lines(given, folder), *registered, taken]


class Attempt:
    """One attempt at a question: it knows the time of all attempts, and keeps what they share in STATE."""

    def __init__(self, question: Question, folder: Path, place: Place) -> None:
        self.question, self.folder, self.place = question, folder, place
        self.began = time.monotonic()
        state = read_state(folder)
        self.state = state if "timetable" in state else {}  # a question that was refused gives way to another
        self._refuse_other()
        self.before = self.state.get("spent", 0.0)
        under_way = self.state.get("searching")
        if under_way and under_way["net"] in question.nets:  # this attempt's predecessor was killed in that sweep
            self.before += elapsed(question, under_way["net"], folder) - under_way["elapsed"]
        self.save()

    def _refuse_other(self) -> None:
        """Refuse a folder that holds the answer to another question."""
        before = self.state.get("question")
        if before is None:
            return
        now = json.loads(json.dumps(self.question.facts()))
        differing = [key for key in now if now[key] != before.get(key)]
        if differing:
            said = "; ".join(f"{key} {before.get(key)} there, {now[key]} here" for key in differing)
            raise QuartetError(f"{self.folder}: holds another question ({said})\ngive another --out, or delete it")

    def note_asked(self, table: Timetable) -> None:
        """Note for each sweep what it is about. QuartetError where settings or data changed since it began."""
        for net in self.question.nets:
            config = self.question.config(net)
            note_asked(
                sweep_folder(self.question, net, self.folder), config, space=space_of(config), budget=table.budget,
                remedy=f"give another --out, or delete {self.folder} to ask again",
            )  # fmt: skip

    @property
    def spent(self) -> float:
        """Return the seconds of all attempts so far."""
        return self.before + time.monotonic() - self.began

    def slice(self, table: Timetable, net: str) -> float:
        """Return the seconds of a net's sweep: those of the timetable, or fewer where earlier work took longer."""
        waiting = [other for other in self.question.nets if not found(self.question, other, self.folder)]
        left = (self.question.seconds - self.spent - table.after) / len(waiting) - AROUND
        return min(table.slice, elapsed(self.question, net, self.folder) + max(left, 0.1 * table.slice))

    def save(self, *, searching: str | None = None) -> None:
        """Write the state; `searching` names the net whose sweep begins now."""
        under_way = searching and {"net": searching, "elapsed": elapsed(self.question, searching, self.folder)}
        spent = round(self.spent, 1)
        self.state |= {"question": self.question.facts(), "spent": spent, "searching": under_way or None}
        write_text(self.folder / STATE, json.dumps(self.state, indent=1) + "\n")

    def title(self) -> str:
        """Return the first line that a person sees."""
        asked = self.question
        again = f", of which {duration(self.before)} are spent" if self.before > 5 else ""
        nets = ", ".join(asked.nets)
        return f"{asked.task}, {asked.line}: {nets}, in {duration(asked.seconds)}{again} → {self.folder}"

    def timetable(self) -> Timetable:
        """Return the timetable: that of an earlier attempt, or a new one, for which the data are prepared and each
        net's costs measured."""
        if "timetable" in self.state:
            return Timetable.from_facts(self.state["timetable"])
        from quartet_app.data.prepared import ensure

        slowness = import_slowness()
        configs = {net: self.question.config(net) for net in self.question.nets}
        data = ensure(next(iter(configs.values()))["data"])
        costs: dict[str, Costs] = {}
        for net, config in configs.items():
            costs[net] = measure(config, data)
            print(
                f"{net}: a validation takes {duration(costs[net].validation)}, an evaluation "
                f"{duration(costs[net].evaluation)}",
                flush=True,
            )
        table = share_out(self.question, costs, spent=self.spent, at_once=at_once(self.place), slowness=slowness)
        self.state["timetable"] = table.facts()
        self.save()
        return table

    def status(self, net: str) -> str:
        """Return what comes next, the best of each net so far, and the time left."""
        asked = self.question
        scores = {}
        for other in asked.nets:
            result = found(asked, other, self.folder)
            if result.get("best_scores"):
                scores[other] = plain(sum(result["best_scores"]) / len(result["best_scores"]))
        best = f"; best so far: {', '.join(f'{name} {score}' for name, score in scores.items())}" if scores else ""
        number = asked.nets.index(net) + 1
        left = duration(max(0.0, asked.seconds - self.spent))
        return f"net {number} of {len(asked.nets)}: {asked.experiment(net)}, {left} left{best}"


def read_state(folder: Path) -> dict[str, Any]:
    """Return what earlier attempts left in STATE; {} before the first. QuartetError where it is damaged."""
    path, remedy = folder / STATE, f"delete {folder} and ask again"
    if not path.exists():
        return {}
    state = read_record(path, remedy=remedy)
    try:
        state["spent"] = float(state["spent"])
        if under_way := state["searching"]:
            state["searching"] = {"net": str(under_way["net"]), "elapsed": float(under_way["elapsed"])}
        if "timetable" in state:
            Timetable.from_facts(state["timetable"])
        dict(state["question"])
    except (KeyError, TypeError, ValueError) as error:
        raise QuartetError(f"{path}: damaged ({type(error).__name__}: {error})\n{remedy}") from error
    return state


def at_once(place: Place) -> int:
    """Return how many runs train at the same time: as many as there are GPUs or, without any, cores."""
    from quartet_app.run.environment import cores
    from quartet_app.table.executors import gpus

    if place.devices:
        return place.devices
    return len(gpus()) or cores()


def described(table: Timetable, question: Question) -> str:
    """Return the plan in words: what will run, and what that can and cannot show."""
    budgets = ", ".join(f"{share * table.budget:.3g}" for share in table.smaller)
    parts = ", ".join(f"{100 * part:g} %" for part in table.parts)
    further = [
        f"{question.seeds} seeds with the whole budget",
        *([f"budgets of {budgets} s"] if budgets else []),
        *([f"{parts} of the training data"] if parts else []),
    ]
    few = " Three seeds show large differences only; more time or --seeds shows smaller ones." * (question.seeds <= 3)
    return (
        f"plan: each net gets {duration(table.slice)}, {table.trials} trials of {table.budget:g} s of training and the "
        f"repeats of the best, {table.at_once} at once; its winner then trains with {'; '.join(further)}.\n"
        f"It speaks of {table.budget:g} s of training on this machine, not of longer ones.{few}"
    )
