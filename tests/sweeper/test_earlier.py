"""Test that a sweep goes on from its journal alone, whoever wrote the files beside it."""

from __future__ import annotations

import json
import pickle
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from sweeper.conftest import events, statuses

from hydra_plugins.quartet_ray_sweeper._journal import FINAL, REPEAT, Again, Journal, refuse_other_sweep
from hydra_plugins.quartet_ray_sweeper._overrides import parse
from hydra_plugins.quartet_ray_sweeper._search import build, to_point
from hydra_plugins.quartet_ray_sweeper._space import SweeperError
from hydra_plugins.quartet_ray_sweeper._state import Sweep
from hydra_plugins.quartet_ray_sweeper._trials._earlier import refuse_foreign, relearn, trial_id

LINES = ["lr=tag(log, interval(0.001, 1))", "heads=range(1, 9)", "net=a,b"]
SEARCHES = {
    "tpe": {"_target_": "ray.tune.search.optuna.OptunaSearch", "seed": 0},
    "random": {"_target_": "hydra_plugins.quartet_ray_sweeper._search.Random", "seed": 0},
}


def opened(folder: Path, *lines: str, **options: Any) -> Sweep:
    return Sweep(
        folder=folder, config=OmegaConf.create({"seed": 0}), journal=Journal(folder), metrics=("objective",),
        space=parse(list(lines or LINES), params={}, when={}, config_loader=None), modes=("min",), clock="time",
        max_time=9.0,
        options={"defaults_first": False, "repeat_key": "seed", "repeats": 1, "finals": [], **options},
    )  # fmt: skip


def searcher(sweep: Sweep, search: str) -> Any:
    return build(SEARCHES[search], space=sweep.space, metric="objective", mode="min", endless=False, seed=0)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_new_searcher_goes_on_as_the_first_would_have(tmp_path: Path, search: str) -> None:
    sweep = opened(tmp_path)
    first, journal = searcher(sweep, search), sweep.journal

    def draw(number: int) -> None:
        values = to_point(sweep.space, first.suggest(trial_id(number)))
        journal.start(number, values=values, overrides=[], folder="")

    def end(number: int) -> None:
        score = {"objective": float(journal.records[number].values["lr"]), "time": 9.0}
        journal.report(number, score)
        first.on_trial_result(trial_id(number), {**score, "training_iteration": 1})
        first.on_trial_complete(trial_id(number), result=score)
        journal.end(number, "finished", result=None)

    for number in range(24):  # two at once; TPE draws at random at first
        draw(number)
        if number:
            end(number - 1)
    again = opened(tmp_path)
    second = searcher(again, search)
    assert relearn(second, again) == set()
    end(23)
    second.on_trial_complete(trial_id(23), result={"objective": float(journal.records[23].values["lr"])})
    following = [[to_point(sweep.space, one.suggest(trial_id(24 + i))) for i in range(3)] for one in (first, second)]
    assert following[0] == following[1]


def test_values_that_the_searcher_would_not_draw_teach_it_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = opened(tmp_path).journal
    for number in range(3):
        journal.start(number, values={"lr": 0.5, "heads": 3, "net": "a"}, overrides=[], folder="")
        journal.end(number, "finished", result=0.1)
    again = opened(tmp_path)
    tpe = searcher(again, "tpe")
    assert relearn(tpe, again) == {0, 1, 2}
    assert "does not know 3 earlier trials" in capsys.readouterr().out
    assert {trial.state.name for trial in tpe._ot_study.trials} == {"FAIL"}


class Planted:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.slow
@pytest.mark.parametrize("search", ["tpe", "random"])
def test_a_pickle_in_a_sweeps_folder_is_not_loaded(
    app: Path, sweep: Callable[..., Any], tmp_path: Path, search: str
) -> None:
    given = ["lr=interval(0, 1)", "steps=2", f"hydra/sweeper/search={search}"]
    assert sweep(*given, "hydra.sweeper.trials=2")[0] == 0
    folder, mark = app.parent / "sweep", tmp_path / "it ran"
    for name in ("searcher.pkl", "search.pkl"):
        (folder / name).write_bytes(pickle.dumps(Planted(mark)))
    code, out, err = sweep(*given, "hydra.sweeper.trials=3")
    assert (code, "3/3 trials" in out) == (0, True), err
    assert not mark.exists()
    assert len(statuses(folder)) == 3
    drawn = [event["values"]["lr"] for event in events(folder) if event["event"] == "start"]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(
    ("values", "again"),
    [
        ({"lr": "{_target_: os.system}", "heads": 3, "net": "a"}, None),
        ({"lr": 0.5, "heads": 3, "net": "c"}, None),
        ({"lr": 0.5, "heads": 9, "net": "a"}, None),
        ({"lr": 0.5, "heads": True, "net": "a"}, None),
        ({"lr": float("nan"), "heads": 3, "net": "a"}, None),
        ({"lr": 5.0, "heads": 3, "net": "a"}, None),
        ({"lr": 0.5, "heads": 3}, None),
        ({"lr": 0.5, "heads": 3, "net": "a", "+hydra.searchpath": "[/tmp]"}, None),
        ({"lr": 0.5, "heads": 3, "net": "b"}, Again(FINAL, 0, ["seed=1", "net._target_=os.system"])),
        ({"lr": 0.5, "heads": 3, "net": "b"}, Again(REPEAT, 0, ["net._target_=os.system"])),
        ({"lr": 0.5, "heads": 3, "net": "b"}, Again(REPEAT, 0, ["seed={_target_: os.system}"])),
        ({"lr": 0.6, "heads": 3, "net": "b"}, Again(REPEAT, 0, ["seed=1"])),
        ({"lr": 0.5, "heads": 3, "net": "b"}, Again(REPEAT, 7, ["seed=1"])),
    ],
)
def test_trials_that_the_sweep_would_not_run_are_refused(
    tmp_path: Path, values: dict[str, Any], again: Again | None
) -> None:
    journal = Journal(tmp_path)
    journal.start(0, values={"lr": 0.5, "heads": 3, "net": "b"}, overrides=[], folder="")
    journal.end(0, "finished", result=1.0)
    given: dict[str, Any] = {"repeats": 3, "finals": [["seed=1"]]}
    refuse_foreign(opened(tmp_path, **given))
    journal.start(1, values=values, overrides=[], folder="", again=again)
    with pytest.raises(SweeperError, match="trial 1: this sweep would not give it"):
        refuse_foreign(opened(tmp_path, **given))


def test_trials_that_the_sweep_does_run_are_not_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start(0, values={}, overrides=[], folder="")  # the defaults
    for number, (stage, more) in enumerate([(REPEAT, "seed=2"), (FINAL, "seed=1")], 1):
        journal.start(number, values={}, overrides=[], folder="", again=Again(stage, 0, [more]))
    journal.start(3, values={"lr": 1.0 + 1e-12, "heads": 8, "net": "a"}, overrides=[], folder="")
    refuse_foreign(opened(tmp_path, defaults_first=True, repeats=3, finals=[["seed=1"]]))


def test_reading_a_journal_leaves_it_as_it_is(tmp_path: Path) -> None:
    Journal(tmp_path).start(0, values={}, overrides=[], folder="0")
    path = tmp_path / "trials.jsonl"
    with path.open("ab") as file:
        file.write(b'{"event": "report", "trial": 0, "metr')
    content = path.read_bytes()
    for _ in range(2):  # another process may be writing this line
        assert list(Journal(tmp_path).records) == [0]
        assert path.read_bytes() == content
    path.chmod(0o400)
    assert list(Journal(tmp_path).records) == [0]


@pytest.mark.parametrize("line", ["", "null", "[]", "{}", '{"event": "end", "trial": 7}', "\0\0\0", "\xff"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    Journal(tmp_path).start(0, values={}, overrides=[], folder="0")
    with (tmp_path / "trials.jsonl").open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    with pytest.raises(SweeperError, match=r"trials\.jsonl, line 2: damaged"):
        Journal(tmp_path)


def test_trials_of_a_sweep_that_was_copied_or_moved_are_those_of_the_copy(tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "sweep", tmp_path / "new" / "sweep"
    for folder in (old, new):
        (folder / "group" / "0").mkdir(parents=True)
    Journal(old).start(0, values={}, overrides=[], folder=str(old / "group" / "0"))
    Journal(old).start(1, values={}, overrides=[], folder=str(old / "gone"))
    (new / "trials.jsonl").write_bytes((old / "trials.jsonl").read_bytes())
    assert Journal(old).records[0].folder == str(old / "group" / "0")
    assert Journal(new).records[0].folder == str(new / "group" / "0")
    assert json.loads((new / "trials.jsonl").read_text().splitlines()[0])["folder"] == str(old / "group" / "0")


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_full_disk_leaves_no_half_line(tmp_path: Path, room: int) -> None:
    journal = Journal(tmp_path)
    journal.start(0, values={}, overrides=[], folder="0")
    content = journal.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + room, hard))  # the system writes as much as fits
    try:
        with pytest.raises(OSError, match="too large"):
            journal.report(0, {"objective": 0.5})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.path.read_bytes() == content
    assert journal.records[0].reports == []
    journal.end(0, "stopped", result=None)  # space was made meanwhile
    assert Journal(tmp_path).records[0].status == "stopped"


def test_a_damaged_identity_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("")
    with pytest.raises(SweeperError, match=r"study\.json: damaged"):
        refuse_other_sweep(tmp_path, {})
