"""The pages hold what they promise: links lead somewhere, options exist, and every command is run."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from documented import PAGES, clone, commands, here, own_project, spans
from documented_runs import ELSEWHERE, QUICK, SERVERS, SLOW, Clone, Workplace, answer, served
from running import ROOT

from quartet.renamed import new_name
from quartet_app.commands import COMMANDS
from quartet_app.config.composing import config_of
from quartet_app.config.options import groups, options
from quartet_app.sweep.multirun import check_sweep

TRANSCRIPTS = {command: printed for command, printed in commands().items() if printed}
TYPED = {command: None for command in commands() if command not in TRANSCRIPTS}
QUARTET = [command for command in TYPED if command.startswith("quartet ")]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"!?\[[^\]]*\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_each_page_is_linked_both_ways() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT)})" in readme
        assert "README.md)" in page.read_text(encoding="utf-8"), page


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_every_command_is_run_by_a_test_and_every_test_has_its_command() -> None:
    covered = [*QUICK, *SLOW, *SERVERS, *ELSEWHERE]
    assert sorted(covered) == sorted(TYPED)


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_what_runs_a_command_elsewhere_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not name or name in {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    for command in (command for command, where in ELSEWHERE.items() if where == path == ".ci/run"):
        assert command in text


def test_the_table_of_commands_is_complete() -> None:
    rows = re.findall(r"^\| `quartet (\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(COMMANDS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = own_project(tmp_path_factory.mktemp("docs") / "project")
    sys.path.append(str(folder))  # as the command does in its own process
    yield folder
    sys.path.remove(str(folder))


@pytest.mark.parametrize("command", QUARTET)
def test_flags_and_overrides_exist(command: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    name, *words = shlex.split(command)[1:]
    module = import_module(f"quartet_app.commands.{name}")
    if name == "train":
        words = flags_checked(words)
    else:
        parser = module.parser()
        chosen = parser.parse_intermixed_args(words) if name == "plan" else parser.parse_args(words)
        given = chosen.overrides if name in ("plan", "table") else []
        words = [word for word in given if "=" in word]
    if name == "table":
        for experiment in (word for word in given if "=" not in word):
            config_of([f"experiment={experiment}", *words])
    elif "--multirun" in command:
        check_sweep(words)
    elif words:
        config_of(words)


def flags_checked(words: list[str]) -> list[str]:
    """Return the overrides of a command line of `quartet train`, whose flags are `--explain` and Hydra's."""
    from hydra._internal.utils import get_args_parser

    from quartet_app.commands.train import explained

    return list(get_args_parser().parse_intermixed_args(explained(words)[1]).overrides)


def test_options_that_are_named_exist(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    known = {group: {*options(group), "null"} for group in groups()}
    pattern = re.compile(rf"(?<![\w./])({'|'.join(known)})=(\w+(?:,\w+)*)")
    text = [command for command in commands() if command not in TRANSCRIPTS] + list(spans())
    found = [
        (group, option) for one in text for group, several in pattern.findall(one) for option in several.split(",")
    ]
    assert ("experiment", "cnn") in found
    assert [(group, option) for group, option in found if option not in known[group]] == []


def test_keys_that_are_named_exist_or_are_said_to_be_renamed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    asked = (
        ["cnn", "launcher=ray"],
        ["rnn"],
        ["transformer"],
        ["gan"],
        ["own_images", "data.source.folder=photos"],
        ["own_labelled", "data.source.file=reviews.csv"],
    )
    known = set().union(*(keys(config_of([f"experiment={name}", *more])) for name, *more in asked))
    sections = {key.split(".")[0] for key in known if "." in key}
    pattern = re.compile(rf"(?<![\w./~])((?:{'|'.join(sections)})\.[a-z0-9_.]+)(?![\w/*])")
    named = {key for one in [*TYPED, *spans()] for key in pattern.findall(one)}
    assert {"net.width", "net.tie_embeddings", "trainer.devices"} <= named
    old = {key for key in named - known if new_name(key) is not None}
    assert named - known - old == set()
    assert {new_name(key) for key in old} <= named


def keys(config: dict[str, Any], above: str = "") -> set[str]:
    """The full names of a configuration's keys."""
    found = {f"{above}{key}" for key in config}
    inner = (keys(value, f"{above}{key}.") for key, value in config.items() if isinstance(value, dict))
    return found.union(*inner)


def test_commands_within_sentences_exist() -> None:
    for span in (span for span in spans() if span.startswith("quartet ")):
        name, *words = span.split()[1:]
        assert name in COMMANDS, span
        flags = {word for word in words if word.startswith("--")}
        if parser := getattr(import_module(f"quartet_app.commands.{name}"), "parser", None):
            assert flags <= set(parser()._option_string_actions) | {"--help"}, span


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for one in [*commands(), *spans()]:
        if words := re.match(r"make (?:\w+=\S+ )?([a-z-]+)", one):
            assert words[1] in targets, one


@pytest.mark.parametrize("command", TRANSCRIPTS)
def test_transcripts_are_what_is_printed(command: str, project: Path) -> None:
    code, printed = here(shlex.split(command)[1:], project)
    assert code == 2
    expected = "".join(f"{re.escape(part)}.*" for part in TRANSCRIPTS[command].strip().split("…")).removesuffix(".*")
    assert re.match(expected, printed), printed


@pytest.fixture(scope="module")
def workplace(project: Path) -> Workplace:
    return Workplace(project, QUICK)


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(clone(tmp_path_factory.mktemp("docs") / "clone"), SLOW)


@pytest.mark.parametrize("command", QUICK)
def test_a_command_runs(command: str, workplace: Workplace) -> None:
    workplace.run(command)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", SLOW)
def test_a_command_runs_in_a_clone(command: str, cloned: Clone) -> None:
    cloned.run(command)


@pytest.mark.slow
@pytest.mark.parametrize("command", SERVERS)
def test_the_pages_of_mlflow_are_served(command: str, cloned: Clone) -> None:
    with served(command, cloned.folder):
        assert b"MLflow" in answer(SERVERS[command])
