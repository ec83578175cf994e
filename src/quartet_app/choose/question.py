"""Read what is asked: the data, the nets that compete, their size and the time that all of it may take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.options import option_file, option_files, options
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import constants
from quartet_app.near import did_you_mean

FIRST_SEED = 100  # of the runs that the answer rests on; no trial has it


@dataclass(frozen=True)
class Question:
    """What a person asks.

    Attributes:
        line: the line of conf/experiment/grid/ whose experiments, `<line>_<net>`, compete.
        nets: the nets, by their names in conf/net/.
        overrides: of every experiment. task: the task's name in conf/task/.
        seconds: the time that all of it may take.
        seeds: how many runs of each winner the answer rests on.
        limits: what the net may cost at most, by the name of the cost. price: of an hour of the machine, if given.
    """

    line: str
    task: str
    nets: tuple[str, ...]
    overrides: tuple[str, ...]
    seconds: float
    seeds: int
    limits: dict[str, float]
    price: float | None = None

    def experiment(self, net: str) -> str:
        """Return the name of a net's experiment."""
        return f"{self.line}_{net}"

    def config(self, net: str) -> Config:
        """Return the checked configuration of a net with the settings of its files."""
        config = compose([f"experiment={self.experiment(net)}", *self.overrides])
        check(config)
        return config

    @property
    def verdict_seeds(self) -> list[int]:
        """The seeds of the runs that the answer rests on."""
        return list(range(FIRST_SEED, FIRST_SEED + self.seeds))

    def facts(self) -> dict[str, Any]:
        """Return the question as plain values."""
        return asdict(self) | {"nets": list(self.nets), "overrides": list(self.overrides)}


def ask(
    overrides: Sequence[str],
    *,
    nets: Sequence[str] | None,
    line: str | None,
    size: str | None,
    seconds: float,
    seeds: int,
    limits: dict[str, float],
    price: float | None = None,
) -> tuple[Question, list[str]]:
    """Return the question, and a line for each net that is left out because it cannot be asked this.

    `nets` None takes all that can. QuartetError for a question that no net, or a named one, can be asked.
    """
    refuse_decided(overrides)
    found, task = find_line(overrides, line)
    said = {f"task={task}", f"data={chosen('data', found)}"}  # by the line itself
    asked = [one for one in overrides if one not in said] + ([f"match.parameters={size}"] if size else [])
    question = Question(found, task, tuple(nets or option_files("net")), tuple(asked), seconds, seeds, limits, price)
    able, left_out = [], []
    for net in question.nets:
        if net not in option_files("net"):
            raise QuartetError(f"--nets: {net}: no such net; {did_you_mean(net, option_files('net'))}")
        try:
            question.config(net)
            able.append(net)
        except QuartetError as error:
            if nets or "cannot" not in str(error):
                raise
            left_out.append(f"{net}: left out: {str(error).splitlines()[0]}")
    return replace(question, nets=tuple(able)), left_out


DECIDED = {
    "experiment": "data=… names the data, and --line a line of the grid",
    "net": "--nets names the nets",
    "seed": "--seeds says how many",
    "budget": "--minutes and --hours give the time",
    "validate_every": "--minutes and --hours give the time",
    "sweep": "the search is that of conf/space/",
    "space": "the search is that of conf/space/",
    "out": "--out names the folder",
}


def refuse_decided(overrides: Sequence[str]) -> None:
    """Refuse overrides of what the command decides itself."""
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in DECIDED or key.startswith("hydra"):
            remedy = DECIDED.get(key, "--address and --devices say where it runs")
            raise QuartetError(f"{override}: quartet choose decides on {key}; {remedy}")


def find_line(overrides: Sequence[str], line: str | None) -> tuple[str, str]:
    """Return the line of the grid that asks the usual question of the data, and its task.

    Data without a line of its own get that of data of the same kind. QuartetError where there is none.
    """
    lines = {name: (chosen("task", name), chosen("data", name)) for name in option_files("experiment/grid")}
    if line is not None:
        if line not in lines:
            raise QuartetError(f"--line: {line}: no such line; {did_you_mean(line, list(lines))}")
        return line, lines[line][0]
    data = next((one.partition("=")[2] for one in overrides if one.startswith("data=")), None)
    if data is None:
        raise QuartetError(f"data: not given; add data=<name>, one of {', '.join(options('data'))}")
    if data not in options("data"):
        raise QuartetError(f"data: {data}: no such data; {did_you_mean(data, options('data'))}")
    task = next((one.partition("=")[2] for one in overrides if one.startswith("task=")), None)
    fitting = [name for name, (asks, of) in lines.items() if of == data and task in (None, asks)]
    alike = [name for name, (asks, of) in lines.items() if kind(of) == kind(data) and task in (None, asks)]
    best = sorted(fitting, key=lambda name: name != data) or sorted(alike, key=lambda name: not name.startswith("own_"))
    if not best:
        raise QuartetError(f"data={data}: no line of conf/experiment/grid/ asks about such data; name one by --line")
    return best[0], lines[best[0]][0]


def chosen(group: str, line: str) -> str:
    """Return the option of a group that a line of the grid chooses, "" for none."""
    path = option_file("experiment/grid", line)
    found = re.search(rf"^ *- override /{group}: (\w+) *$", path.read_text(encoding="utf-8") if path else "", re.M)
    return found[1] if found else ""


def kind(data: str) -> str:
    """Return the kind of a data set, as images or text; "" where its source does not say."""
    path = option_file("data", data)
    text = path.read_text(encoding="utf-8") if path else ""
    source = re.search(r"^source:\n(?: +.*\n)*? +_target_: ([\w.]+)", text, re.M)
    return str(constants(source[1]).get("KIND", "")) if source else ""
