"""The pages hold what they promise: links lead somewhere, options exist, and every command is run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from documented import PAGES, clone, commands, here, newest, own_project, person, shell, spans
from running import ROOT, environment

from quartet.renamed import new_name
from quartet_app.commands import COMMANDS
from quartet_app.config.composing import config_of
from quartet_app.config.options import groups, options
from quartet_app.sweep.multirun import check_sweep

TRANSCRIPTS = {command: printed for command, printed in commands().items() if printed}
TYPED = {command: None for command in commands() if command not in TRANSCRIPTS}
QUARTET = [command for command in TYPED if command.startswith("quartet ")]


@dataclass(frozen=True)
class Run:
    """What a command makes (a glob that must be there afterwards) and prints, and which commands come before it."""

    makes: str = ""
    says: str = ""
    after: tuple[str, ...] = ()


COMMITTED = ("make run", "git add -A", "git commit -qm run")
CNN, RNN = "quartet train experiment=cnn", "quartet train experiment=rnn"
SHAPES, BOOKS, PHRASES = (
    "quartet table shapes own_images_cnn own_images_transformer data.source.folder=photos",
    "quartet table books own_text_rnn own_text_transformer data.source.folder=texts",
    "quartet table phrases own_pairs_rnn own_pairs_transformer data.source.folder=pairs.tsv",
)
CLOTHES = "quartet table clothes fashion_mnist_cnn fashion_mnist_mlp optimizer.lr=0.002"
EVALUATED, REGISTERED = "quartet evaluate runs/cnn-0-…", "quartet compare runs/cnn-0-… runs/rnn-0-… --register"
TRAINED_RNN = (RNN, "quartet evaluate runs/rnn-0-…")  # what the pages take for granted
# Run as they stand, on small data, in this process.
QUICK = {
    CNN: Run(makes="runs/cnn-0-*/model.safetensors", says="cnn-0: val/accuracy"),
    "quartet train experiment=cnn net.width=48 optimizer.lr=0.1": Run(says="cnn-0: val/accuracy"),
    EVALUATED: Run(makes="runs/cnn-0-*/evaluate/metrics.json", says="test/accuracy", after=(CNN,)),
    "quartet compare runs/cnn-0-… --out two": Run(makes="two/index.html", says="accuracy ↑", after=(EVALUATED,)),
    "quartet plan": Run(says="4 runs"),
    "quartet plan experiment=cnn net.width=48 trainer.devices=2": Run(says="1 run, 0 done"),
    "quartet plan experiment=cnn --no-measure --json": Run(says='"experiment": "cnn"'),
    "quartet train experiment=fashion_mnist_mlp": Run(makes="runs/fashion_mnist_mlp-0-*/model.json"),
    "quartet train experiment=cnn match.parameters=2e5": Run(says="net.width="),
    "quartet trace runs/cnn-0-…": Run(says="configuration  runs/cnn-0-", after=(CNN,)),
    "quartet trace --repeat runs/cnn-0-…": Run(says="same to the bit", after=(CNN,)),
    REGISTERED: Run(makes="reports/index.html", says="quartet-classify", after=(CNN, EVALUATED, *TRAINED_RNN)),
    "quartet predict classify image.png photos/": Run(says="photos/kind0/0.png\t0 ", after=(REGISTERED,)),
    'quartet predict language "The cat eats" --tokens 200': Run(says="The cat eats", after=(REGISTERED,)),
    "quartet predict classify image.png --from runs/cnn-0-… --json": Run(says='"file": "image.png"', after=(CNN,)),
    "quartet train experiment=own_images data.source.folder=photos": Run(makes="runs/own_images-0-*/model.json"),
    "quartet train experiment=own_text data.source.folder=texts": Run(makes="runs/own_text-0-*/model.json"),
    "quartet train experiment=own_pairs data.source.folder=pairs.tsv": Run(makes="runs/own_pairs-0-*/model.json"),
    "quartet train experiment=own_images data=own_image_arrays data.source.file=arrays.npz": Run(says="val/accuracy"),
    "quartet prepare fashion_mnist": Run(makes="runs/data/*/fashion_mnist/*"),
    "quartet train experiment=cnn net=mine": Run(says="cnn-0: val/accuracy"),
    "quartet train experiment=fashion_mnist_mine": Run(says="fashion_mnist_mine: net.width="),
    "quartet train experiment=cnn tuned=cnn": Run(says="cnn-0: val/accuracy"),
    'eval "$(quartet completion bash)"': Run(says="complete"),
}
# Run as they stand by a shell, in a clone of the repository whose data and budgets are small.
SLOW = {
    "make run": Run(makes="reports/index.html", says="FID ↓"),
    "make grid": Run(makes="grid/reports/index.html", says="bits per character ↓"),
    "quartet grid grid --jobs 1": Run(says="2 are there already", after=("make grid",)),
    "quartet grid grid --ray auto": Run(says="2 are there already", after=("make grid",)),
    SHAPES: Run(makes="shapes/dvc.yaml"),
    "quartet grid shapes": Run(makes="shapes/reports/index.html", says="quartet-classify", after=(SHAPES,)),
    "quartet predict classify new.jpg --data own_images": Run(says="new.jpg\tkind", after=("quartet grid shapes",)),
    "cd shapes && quartet plan --prepare": Run(says="own_images_transformer", after=(SHAPES,)),
    BOOKS: Run(makes="books/dvc.yaml"),
    "quartet grid books": Run(makes="books/reports/index.html", says="quartet-language", after=(BOOKS,)),
    'quartet predict language "The cat eats" --data own_text': Run(says="The cat", after=("quartet grid books",)),
    PHRASES: Run(makes="phrases/dvc.yaml"),
    "quartet grid phrases": Run(makes="phrases/reports/index.html", says="quartet-translate", after=(PHRASES,)),
    'quartet predict translate "Save the file." --data own_pairs': Run(after=("quartet grid phrases",)),
    CLOTHES: Run(makes="clothes/dvc.yaml"),
    "quartet grid clothes": Run(makes="clothes/reports/index.html", after=(CLOTHES,)),
    "dvc repro": Run(says="up to date", after=("make run",)),
    "dvc repro evaluate@cnn-0": Run(says="up to date", after=("make run",)),
    "dvc repro --force --single-item prepare": Run(says="Running stage 'prepare'", after=("make run",)),
    "dvc metrics show": Run(says="results/cnn/0/evaluate/metrics.json", after=("make run",)),
    "dvc params diff": Run(after=("make run",)),
    "dvc plots show": Run(makes="dvc_plots/index.html", after=("make run",)),
    "dvc exp run -S '+overrides.cnn.net.width=24'": Run(says="Ran experiment", after=COMMITTED),
    'quartet predict translate "Save the file."': Run(after=("make run",)),
    "quartet predict generate --count 64 out.png": Run(makes="out.png", after=("make run",)),
    "quartet train --multirun experiment=cnn,rnn seed=0,1,2": Run(makes="runs/rnn-2-*/model.json"),
    "quartet train --multirun sweep=cnn": Run(makes="conf/tuned/cnn.yaml"),
    "quartet train --multirun sweep=cnn hydra.sweeper.resume=true": Run(after=("quartet train --multirun sweep=cnn",)),
    "quartet train --multirun hydra/sweeper=ray experiment=rnn 'optimizer.lr=tag(log,interval(1e-4,1e-1))' "
    "'net.width=choice(64,128,256)' net=rnn,transformer hydra.sweeper.trials=20": Run(makes="conf/tuned/rnn.yaml"),
    "quartet train experiment=cnn match.flops=5e7": Run(says="net.width="),
    "quartet train experiment=cnn trainer.devices=2": Run(says="cnn-0: val/accuracy"),
    "quartet train experiment=cnn launcher=ray trainer.devices=2": Run(says="cnn-0: val/accuracy"),
    "python benchmarks/bench.py --only startup --quick": Run(makes="reports/bench.json"),
}  # fmt: skip
SERVERS = {"make ui": 5000, "quartet ui --port 5002": 5002}  # their test asks the page that they serve
# What needs a cluster, a server or hours, and where that is run instead.
ELSEWHERE = {
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make bench": "tests/benchmarks/test_bench.py",
    "quartet train --multirun sweep=gan trainer.devices=2 hydra.sweeper.address=auto":
        "tests/quartet_app/sweep/test_sweep_cluster.py::test_workers_of_two_machines_train_what_one_process_trains",
    "dvc remote add -d store /some/folder && dvc push":
        "tests/quartet_app/table/test_graph.py::test_a_clone_pulls_and_trains_nothing",
    "MLFLOW_TRACKING_URI=sqlite:///mlflow.db mlflow models serve -m models:/quartet-language@champion "
    "--env-manager local --host 127.0.0.1 --port 5001":
        "tests/quartet_app/commands/test_served.py::test_a_champion_answers_over_http",
    """curl -d '{"inputs": ["The cat eats"]}' -H 'Content-Type: application/json' http://127.0.0.1:5001/invocations""":
        "tests/quartet_app/commands/test_served.py::test_a_champion_answers_over_http",
}  # fmt: skip


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
        words = [word for word in getattr(chosen, "words", []) if "=" in word]
    if name == "table":
        for experiment in (word for word in chosen.words if "=" not in word):
            config_of([f"experiment={experiment}", *words])
    elif "--multirun" in command:
        check_sweep(words)
    elif words:
        config_of(words)


def flags_checked(words: list[str]) -> list[str]:
    """The overrides of a command line of `quartet train`, whose flags must be Hydra's."""
    from hydra._internal.utils import get_args_parser

    return list(get_args_parser().parse_intermixed_args(words).overrides)


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
    asked = (["cnn", "launcher=ray"], ["rnn"], ["transformer"], ["gan"], ["own_images", "data.source.folder=photos"])
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


class Workplace:
    """A folder in which commands of the pages are run, each once, after those that it stands on."""

    def __init__(self, folder: Path, plan: dict[str, Run]) -> None:
        self.folder, self.plan = folder, plan
        self.done: set[str] = set()
        self.runs: dict[str, str] = {}  # what `runs/cnn-0-…` stands for, the same in all commands

    def run(self, command: str) -> None:
        if command in self.done:
            return
        self.done.add(command)
        wanted = self.plan.get(command, Run())
        for before in wanted.after:
            self.run(before)
        for pattern in re.findall(r"runs/\S*…", command):
            self.runs.setdefault(pattern, newest(pattern, self.folder))
        code, printed = self.carry_out(re.sub(r"runs/\S*…", lambda found: self.runs[found[0]], command))
        assert code == 0, f"{command}\n{printed}"
        assert wanted.says in printed, f"{command}\n{printed}"
        assert not wanted.makes or list(self.folder.glob(wanted.makes)), f"{command}\n{printed}"

    def carry_out(self, command: str) -> tuple[int, str]:
        return person(command, self.folder)


class Clone(Workplace):
    def carry_out(self, command: str) -> tuple[int, str]:
        done = shell(command, self.folder)
        if command.startswith("quartet table"):  # one seed shows as much as three
            path = self.folder / command.split()[2] / "params.yaml"
            path.write_text(path.read_text(encoding="utf-8").replace("[0, 1, 2]", "[0]"), encoding="utf-8")
        return done


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


@contextmanager
def served(command: str, folder: Path) -> Iterator[None]:
    """A server under way, which is ended with all of its processes."""
    process = subprocess.Popen(command, shell=True, cwd=folder, env=environment(folder), start_new_session=True)
    try:
        yield
        assert process.poll() is None, "the server ended"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def answer(port: int) -> bytes:
    """What the page at the port holds, once it is there."""
    end = time.monotonic() + 120
    while True:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10).read()  # type: ignore[no-any-return]
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("command", SERVERS)
def test_the_pages_of_mlflow_are_served(command: str, cloned: Clone) -> None:
    with served(command, cloned.folder):
        assert b"MLflow" in answer(SERVERS[command])
