"""What `quartet choose` and `quartet tune` leave in folders is taken for what it is, whoever has put it there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from quartet.types import QuartetError
from quartet_app.choose.answer import cut_short, growth, whole_runs
from quartet_app.choose.choose import STATE, Attempt, choose, refuse_others
from quartet_app.choose.question import Question, ask
from quartet_app.choose.resume import stored
from quartet_app.choose.search import FOUND, Place, arguments, found, sweep_folder
from quartet_app.choose.timetable import Costs, Timetable, share_out
from quartet_app.choose.tune import sweep_of, words
from quartet_app.config.table.params import read_params

HERE = Place(None, None)


def question(*overrides: str, nets: list[str] | None = None) -> Question:
    return ask(list(overrides), nets=nets, line=None, size=None, seconds=600.0, seeds=3, limits={})[0]


def share(minutes: float) -> Timetable:
    asked = Question("mnist1d", "classify", ("cnn", "mlp"), (), minutes * 60, 3, {})
    return share_out(asked, dict.fromkeys(asked.nets, Costs(0.1, 0.5)), spent=10.0, at_once=2, slowness=1.0)


def series(path: Path, seed: int = 0) -> None:
    x = np.random.default_rng(seed).normal(size=(60, 8)).astype(np.float32)
    np.savez(path, x=x, y=np.arange(60) % 2)


@pytest.mark.parametrize("name", ["käfer", "日本", "😀", 'a"b', "a\\b", "it's", "x, y [1] {2}", "a=b", "100%", "#1"])
def test_the_sweep_lies_where_the_answer_does_whatever_its_name(tmp_path: Path, name: str) -> None:
    asked, folder = question("data=mnist1d"), tmp_path / name
    parsed = OverridesParser.create().parse_overrides(arguments(asked, share(30), "cnn", folder, HERE)[1:])
    values: dict[str, Any] = {one.key_or_group: one.value() for one in parsed}
    assert values["hydra.sweep.dir"] == str(sweep_folder(asked, "cnn", folder))
    assert values["hydra.sweeper.observer"]["tuned"] == str(folder / "tuned")


def test_a_folder_that_would_be_read_as_something_else_is_refused(here: Path) -> None:
    with pytest.raises(QuartetError, match="which a configuration would read as something else"):
        choose(question("data=mnist1d"), [], here / "${oc.env:HOME}", HERE, register=False)
    assert not any(here.iterdir())


@pytest.mark.parametrize(
    "held", ["photos/cat/1.png", "notes.txt", "reports/index.html", "search/mnist1d_cnn/found.json"]
)
def test_a_folder_with_other_files_is_refused_and_left_as_it_was(here: Path, held: str) -> None:
    (here / "mine" / held).parent.mkdir(parents=True)
    (here / "mine" / held).write_text("mine")
    with pytest.raises(QuartetError, match="mine: is there already, and holds other files"):
        choose(question("data=mnist1d"), [], Path("mine"), HERE, register=False)
    assert [path.name for path in (here / "mine").rglob("*") if path.is_file()] == [Path(held).name]


def test_what_an_attempt_leaves_before_it_has_begun_is_no_other_file(here: Path) -> None:
    (here / "mine").mkdir()
    for name in ("lock", f".{STATE}.4711", ".DS_Store"):
        (here / "mine" / name).touch()
    refuse_others(here / "mine")
    refuse_others(here / "new")
    (here / "file").touch()
    with pytest.raises(QuartetError, match="file: cannot be read"):
        refuse_others(here / "file")


def test_what_was_found_is_not_taken_for_other_data_or_settings(here: Path) -> None:
    series(here / "series.npz")
    asked = question("data=own_series", "data.source.file=series.npz", nets=["cnn", "mlp"])
    for name in "ab":
        (here / name).mkdir()
    attempt, table = Attempt(asked, here / "a", HERE), share(30)
    attempt.note_asked(table)
    attempt.note_asked(table)
    with pytest.raises(
        QuartetError, match=r"a/search/own_series_cnn: holds a search with other budget\n.*delete .*a to"
    ):
        attempt.note_asked(share(10))
    other = Attempt(question("data=own_series", "data.source.file=series.npz", "optimizer.lr=0.5"), here / "b", HERE)
    shutil.copytree(here / "a" / "search", here / "b" / "search")
    with pytest.raises(QuartetError, match="own_series_cnn: holds a search with other settings"):
        other.note_asked(table)
    series(here / "series.npz", seed=1)
    with pytest.raises(QuartetError, match="own_series_cnn: holds a search with other data"):
        attempt.note_asked(table)


def test_a_question_that_was_refused_gives_way_to_the_remedy(here: Path) -> None:
    """The remedy, as `--minutes 11`, is another question for the same folder; nothing has been searched yet."""
    Attempt(question("data=mnist1d"), here, HERE)
    longer = replace(question("data=mnist1d"), seconds=900.0)
    attempt = Attempt(longer, here, HERE)
    assert attempt.spent < 60
    attempt.state["timetable"] = share(30).facts()
    attempt.save()
    with pytest.raises(QuartetError, match="holds another question"):
        Attempt(question("data=mnist1d"), here, HERE)
    assert stored(here)[0] == longer


HOSTILE: list[tuple[str, Any, str]] = [
    ("overrides", ["net._target_=subprocess.Popen"], "Popen"),
    ("overrides", ["+method.more={_target_: os.system, command: ls}"], "more"),
    ("overrides", ["data.name='${oc.env:HOME}'"], "a file may not ask for what this machine holds"),
    ("overrides", ["hydra.searchpath=[file:///tmp]"], "quartet choose decides on hydra"),
    ("overrides", ["tracking.uri=http://elsewhere.invalid:5000"], "a server that your own conf/ does not name"),
    ("overrides", ["launcher=ray", "launcher.address=10.0.0.1:6379"], "launcher.address"),
    ("overrides", ["data.name=../../x"], "data.name"),
    ("overrides", 3, "damaged"),
    ("line", "../../x", "--line: ../../x: no such line"),
    ("nets", ["../../x"], "--nets: ../../x: no such net"),
    ("seconds", "long", "damaged"),
    ("limits", None, "damaged"),
]


@pytest.mark.parametrize(("key", "value", "words"), HOSTILE)
def test_a_question_from_somebody_else_asks_for_no_more_than_a_question(
    here: Path, key: str, value: Any, words: str
) -> None:
    Attempt(question("data=mnist1d"), here, HERE)
    state = json.loads((here / STATE).read_text())
    state["question"][key] = value
    (here / STATE).write_text(json.dumps(state))
    with pytest.raises(QuartetError) as refused:
        stored(here)
    assert words in str(refused.value)
    assert not (here / "runs" / "own_targets.txt").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"question": 3, "spent": 0, "searching": null}', '{"question": {}, "spent": "x"}']
)
def test_a_damaged_state_is_named_and_no_sweep_goes_on_without_it(here: Path, text: str) -> None:
    (here / STATE).write_text(text)
    for asking in (lambda: stored(here), lambda: Attempt(question("data=mnist1d"), here, HERE)):
        with pytest.raises(QuartetError, match=r"choose\.json: damaged"):
            asking()
    assert (here / STATE).read_text() == text


def a_trial(number: int, *more: str, status: str = "finished", stage: str = "final") -> dict[str, Any]:
    of = 0 if stage == "final" else None
    return {
        "number": number,
        "stage": stage,
        "of": of,
        "more": list(more),
        "values": {},
        "status": status,
        "score": 0.5,
    }


def write_found(folder: Path, asked: Question, net: str, *trials: dict[str, Any]) -> None:
    sweep = sweep_folder(asked, net, folder)
    for trial in trials:
        (sweep / str(trial["number"])).mkdir(parents=True)
        (sweep / str(trial["number"]) / "run.json").write_text("{}")
    facts = {"best": 0, "best_scores": [0.5], "default_scores": [0.5], "seconds": 1.0, "trials": trials}
    (sweep / FOUND).write_text(json.dumps(facts))


def test_runs_that_the_time_cut_short_do_not_stand_beside_whole_ones(here: Path) -> None:
    asked = question("data=mnist1d", nets=["cnn", "mlp"])
    first = a_trial(0, stage="search")
    write_found(here, asked, "cnn", first, a_trial(1, "seed=100"), a_trial(2, "seed=101", status="stopped"))
    write_found(here, asked, "mlp", first, a_trial(1, "seed=100", status="stopped"))
    assert [path.name for path in whole_runs(asked, "cnn", here)] == ["1"]
    assert [path.name for path in whole_runs(asked, "mlp", here)] == ["1"]
    (note,) = cut_short(asked, here)
    assert "mlp" in note
    assert growth(asked, share(30), here, "budget").lines == {}


def test_an_answer_that_was_moved_or_copied_holds_its_own_runs(here: Path) -> None:
    asked = question("data=mnist1d", nets=["cnn"])
    write_found(here / "old", asked, "cnn", a_trial(0, stage="search"), a_trial(1, "seed=100"))
    shutil.copytree(here / "old", here / "new")
    assert whole_runs(asked, "cnn", here / "new") == [here / "new" / "search" / "mnist1d_cnn" / "1"]


@pytest.mark.parametrize("text", ["", "[]", '{"best": 0}', '{"trials": [1]}', '{"trials": {}, "best": 1}'])
def test_a_damaged_result_counts_as_none(here: Path, text: str) -> None:
    asked = question("data=mnist1d", nets=["cnn"])
    write_found(here, asked, "cnn", a_trial(0, stage="search"))
    assert found(asked, "cnn", here)
    facts = {"best": 0, "best_scores": [0.5], "default_scores": [0.5], "seconds": 1.0}
    broken = json.dumps({**facts, **json.loads(text)}) if text.startswith('{"trials') else text
    (sweep_folder(asked, "cnn", here) / FOUND).write_text(broken)
    assert found(asked, "cnn", here) == {}


TABLE = """\
experiments: [own_series_cnn]
seeds: [0]
profile: laptop
overrides:
  own_series_cnn: {given}
"""


@pytest.mark.parametrize(
    "given",
    ["['data.source.file=../series.npz']", "{data: {source: {file: ../series.npz}}}", "data.source.file=../series.npz"],
)  # fmt: skip
def test_a_tables_paths_are_seen_from_its_folder(here: Path, given: str) -> None:
    for name in ("one", "two"):
        (here / name / "table").mkdir(parents=True)
        (here / name / "table" / "params.yaml").write_text(TABLE.format(given=given))
        series(here / name / "series.npz", seed=len(name))
    series(here.parent / "series.npz")  # not this one
    params = read_params(Path("one/table/params.yaml"))
    assert params.overrides["own_series_cnn"] == ["data.source.file=one/series.npz"]


def test_each_table_has_sweeps_of_its_own_and_none_is_taken_for_other_data(here: Path) -> None:
    for number, name in enumerate(("one", "two")):
        (here / name).mkdir()
        (here / name / "params.yaml").write_text(TABLE.format(given="data.source.file=series.npz"))
        series(here / name / "series.npz", seed=number)
    folders = [sweep_of(Path(name), "own_series_cnn") for name in ("one", "two")]
    assert folders == [here / name / "runs" / "tune" / "own_series_cnn" for name in ("one", "two")]

    def tuned(name: str) -> list[str]:
        return words(read_params(Path(name, "params.yaml")), "own_series_cnn", trials=2, folder=folders[0], place=HERE)

    assert "data.source.file=one/series.npz" in tuned("one")
    with pytest.raises(QuartetError, match="own_series_cnn: holds a search with other settings and data\ndelete"):
        tuned("two")
    series(here / "one" / "series.npz", seed=7)
    with pytest.raises(QuartetError, match="own_series_cnn: holds a search with other data\ndelete"):
        tuned("one")


@pytest.mark.parametrize("name", ["../../elsewhere", "", "a/b", ".hidden"])
def test_a_winner_is_written_nowhere_but_into_its_folder(here: Path, name: str) -> None:
    from hydra_plugins.quartet_ray_sweeper import Record
    from quartet_app.sweep.tuned import write_tuned

    (here / "sweep" / "0").mkdir(parents=True)
    (here / "sweep" / "0" / "config.yaml").write_text(json.dumps({"experiment": name}))
    best = Record(0, {}, [], str(here / "sweep" / "0"), status="finished")
    with pytest.raises(QuartetError, match=r"sweep/0/config\.yaml: experiment: given"):
        write_tuned(None, best, here / "conf" / "tuned")  # type: ignore[arg-type]
    assert [path.name for path in here.iterdir()] == ["sweep"]
