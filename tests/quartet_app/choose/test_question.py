"""What `quartet choose` is asked, and how it shares out the time: without training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartet.types import QuartetError
from quartet_app.choose.choose import STATE, Attempt
from quartet_app.choose.question import Question, ask, find_line
from quartet_app.choose.resume import stored
from quartet_app.choose.search import Place, arguments
from quartet_app.choose.timetable import FEWEST, LEAST_BUDGET, MOST, Costs, Timetable, share_out
from quartet_app.config.composing import compose
from quartet_app.config.options import option_file, option_files
from quartet_app.sweep.derived import sweeper_section

LINES = [name for name in option_files("experiment/grid") if not name.startswith("own_")]
GIVEN: dict[str, object] = {"nets": None, "line": None, "size": None, "seconds": 600.0, "seeds": 3, "limits": {}}


def question(*overrides: str, **changes: object) -> Question:
    return ask(list(overrides), **{**GIVEN, **changes})[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overrides", "line", "expected"),
    [
        (["data=mnist1d"], None, ("mnist1d", "classify")),
        (["data=fashion_mnist"], None, ("fashion_mnist", "classify")),
        (["data=fashion_mnist", "task=generate"], None, ("generate", "generate")),
        ([], "generate", ("generate", "generate")),
        (["data=own_pairs", "data.source.folder=pairs.tsv"], None, ("own_pairs", "translate")),
        (["data=own_image_arrays"], None, ("own_images", "classify")),  # has no line of its own
        (["data=tiny_shakespeare"], None, ("own_text", "language")),
    ],
)
def test_data_lead_to_the_line_that_asks_about_them(
    overrides: list[str], line: str | None, expected: tuple[str, str]
) -> None:
    assert find_line(overrides, line) == expected


def test_nets_that_cannot_be_asked_are_left_out_and_named() -> None:
    asked, left_out = ask(["data=multi30k"], **GIVEN)  # type: ignore[arg-type]
    assert asked.nets == ("cnn", "rnn", "transformer")
    assert [line.split(":")[0] for line in left_out] == ["mlp"]
    assert question("data=mnist1d", size="1e4").config("cnn")["match"]["parameters"] == 1e4
    assert question("data=mnist1d", "optimizer.lr=0.5").config("rnn")["optimizer"]["lr"] == 0.5


@pytest.mark.parametrize(
    ("overrides", "changes", "words"),
    [
        ([], {}, "data: not given; add data=<name>"),
        (["data=mnist"], {}, "data: mnist: no such data; did you mean mnist1d"),
        (["data=mnist1d"], {"line": "mnist"}, "--line: mnist: no such line"),
        (["data=mnist1d"], {"nets": ["cn"]}, "--nets: cn: no such net; did you mean cnn"),
        (["data=multi30k"], {"nets": ["mlp"]}, "net: MLP cannot"),
        (["data=mnist1d", "experiment=cnn"], {}, "quartet choose decides on experiment"),
        (["data=mnist1d", "seed=3"], {}, "--seeds says how many"),
        (["data=mnist1d", "budget=3 epochs"], {}, "--minutes and --hours give the time"),
        (["data=mnist1d", "hydra.sweeper.trials=3"], {}, "--address and --devices say where it runs"),
        (["data=mnist1d", "optimizer.l=3"], {}, "optimizer.l"),
    ],
)
def test_a_wrong_question_is_refused(overrides: list[str], changes: dict[str, object], words: str) -> None:
    with pytest.raises(QuartetError) as refused:
        question(*overrides, **changes)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


def share(minutes: float, nets: int = 4, at_once: int = 2, validation: float = 0.1, slowness: float = 1.0) -> Timetable:
    asked = Question("mnist1d", "classify", tuple("abcd"[:nets]), (), minutes * 60, 3, {})
    costs = dict.fromkeys(asked.nets, Costs(validation, 0.5))
    return share_out(asked, costs, spent=10.0, at_once=at_once, slowness=slowness)


def test_the_time_is_shared_out_equally_and_never_exceeded() -> None:
    before = 0.0
    for minutes in (10, 30, 60, 600):
        table = share(minutes)
        assert 10 + 4 * table.slice + table.after < minutes * 60
        assert 0 < table.runs_share < 0.6
        assert table.budget > before
        assert FEWEST <= table.trials <= MOST
        before = table.budget
    assert share(10).trials == FEWEST  # more trials once each is long enough
    assert share(600).trials == MOST
    assert share(10, at_once=8).budget > share(10).budget
    assert share(10, nets=2).budget > share(10).budget
    assert share(10, validation=0.4).budget < share(10).budget
    assert share(20, slowness=2.0).budget < share(20).budget


def test_little_time_gives_fewer_runs_and_too_little_is_refused() -> None:
    assert share(10).parts
    with pytest.raises(
        QuartetError, match="3 minutes are too few for 4 nets on this machine; give about --minutes"
    ) as no:
        share(3)
    minutes = float(str(no.value).split("--minutes ")[1].split(",")[0])
    assert share(minutes).budget >= LEAST_BUDGET  # the remedy works
    assert not share(minutes).parts


def test_the_winner_trains_whole_budgets_first_and_with_seeds_of_its_own() -> None:
    asked, table = question("data=mnist1d"), share(30)
    finals = table.finals(asked.verdict_seeds, model=True)
    assert table.finals([100], model=False)[0] == ["seed=100"]
    assert [final[0] for final in finals[:3]] == ["seed=100", "seed=101", "seed=102"]
    assert all("budget" not in " ".join(final) for final in finals[:3])
    assert all(any("budget=" in one or "limit_train=" in one for one in final) for final in finals[3:])
    assert Timetable.from_facts(json.loads(json.dumps(table.facts()))) == table


@pytest.mark.parametrize("line", LINES)
def test_each_value_of_each_space_composes(line: str, tmp_path: Path) -> None:
    """The first and the last value of each parameter, in each line that asks the net."""
    from hydra_plugins.quartet_ray_sweeper._overrides import parse
    from quartet_app.config.composing import hydra_ready

    asked = question(line=line)
    for net in asked.nets:
        words = [
            one for one in arguments(asked, share(30), net, tmp_path, Place(None, None))[1:] if "hydra." not in one
        ]
        assert f"space={net}" in words
        found = sweeper_section(read_yaml("space", net))
        with hydra_ready():
            from hydra.core.global_hydra import GlobalHydra

            loader = GlobalHydra.instance().config_loader()
            space = parse(words, params=found["params"], when=found["when"], config_loader=loader)
        active = [one for one in space.parameters if one.key != "task"]
        assert len(active) >= 4
        for end in (0, -1):
            chosen = space.point({one.key: one.probe_values[end] for one in space.parameters})
            compose(space.overrides(chosen))


def read_yaml(group: str, name: str) -> dict[str, object]:
    import yaml

    path = option_file(group, name)
    assert path is not None
    return yaml.safe_load(path.read_text())  # type: ignore[no-any-return]


def test_another_question_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first, second = question("data=mnist1d"), question("data=mnist1d", size="1e4")
    attempt = Attempt(first, tmp_path, Place(None, None))
    attempt.state["timetable"] = share(30).facts()
    attempt.save()
    Attempt(first, tmp_path, Place(None, None))
    with pytest.raises(QuartetError, match="holds another question"):
        Attempt(second, tmp_path, Place(None, None))
    assert stored(tmp_path)[0] == first


def test_resume_finds_the_newest_question_without_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QuartetError, match="no question in answers/ is without an answer"):
        stored(None)
    asked = question("data=mnist1d")
    for name in ("old", "new", "answered"):
        (tmp_path / "answers" / name).mkdir(parents=True)
        Attempt(asked, Path("answers") / name, Place(None, None))
    (tmp_path / "answers" / "answered" / "answer.json").write_text("{}")
    assert stored(None) == (asked, Path("answers/new"))
    (tmp_path / "answers" / "empty").mkdir()
    with pytest.raises(QuartetError, match="no question was asked there"):
        stored(Path("answers/empty"))


def test_the_time_of_a_killed_attempt_counts(tmp_path: Path) -> None:
    from hydra_plugins.quartet_ray_sweeper import Journal
    from quartet_app.choose.search import sweep_folder

    asked = question("data=mnist1d")
    attempt = Attempt(asked, tmp_path, Place(None, None))
    attempt.state["timetable"] = share(30).facts()
    attempt.state["spent"] = 40.0
    attempt.before = 40.0
    attempt.save(searching="cnn")
    folder = sweep_folder(asked, "cnn", tmp_path)
    folder.mkdir(parents=True)
    journal = Journal(folder)
    journal.before = 25.0
    journal.start(0, values={}, overrides=[], folder="")
    again = Attempt(asked, tmp_path, Place(None, None))
    assert 65 <= again.spent < 75
    assert json.loads((tmp_path / STATE).read_text())["searching"] is None
