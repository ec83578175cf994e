"""How each command of the pages is run: quickly, in a clone, as a server, or by another test that is named.

A command that a page gains without a line here fails tests/test_docs.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from documented import newest, person, shell
from running import environment


@dataclass(frozen=True)
class Run:
    """What a command makes (a glob that must be there afterwards), prints and must not print, and what comes before."""

    makes: str = ""
    says: str = ""
    never: str | None = None
    after: tuple[str, ...] = ()


COMMITTED = ("make run", "git add -A", "git commit -qm run")
CNN, RNN = "quartet train experiment=cnn", "quartet train experiment=rnn"
SHAPES, BOOKS, PHRASES = (
    "quartet table shapes own_images_cnn own_images_transformer data.source.folder=photos",
    "quartet table books own_text_rnn own_text_transformer data.source.folder=texts",
    "quartet table phrases own_pairs_rnn own_pairs_transformer data.source.folder=pairs.tsv",
)
QUESTIONS = "quartet train experiment=trec_cnn"
LABELLED = (
    "quartet train experiment=own_labelled data.source.file=reviews.csv data.source.text=body data.source.label=stars"
)
CLOTHES = "quartet table clothes fashion_mnist_cnn fashion_mnist_mlp optimizer.lr=0.002"
AMOUNTS = "quartet table amounts mnist1d_cnn mnist1d_rnn --axis data.loading.limit_train=3%,10%,30%,100%"
EVALUATED, REGISTERED = "quartet evaluate runs/cnn-0-…", "quartet compare runs/cnn-0-… runs/rnn-0-… --register"
PRICED = "quartet compare runs/cnn-0-… runs/rnn-0-… --price 2.5"
TRAINED_RNN = (RNN, "quartet evaluate runs/rnn-0-…")  # what the pages take for granted
# Run as they stand, on small data, in this process.
QUICK = {
    CNN: Run(makes="runs/cnn-0-*/model.safetensors", says="cnn-0: val/accuracy"),
    "quartet train experiment=cnn net.width=48 optimizer.lr=0.1": Run(says="cnn-0: val/accuracy"),
    "quartet train experiment=cnn optimizer.lr=0.05 --explain optimizer.lr": Run(says="command line              0.05"),
    EVALUATED: Run(makes="runs/cnn-0-*/evaluate/metrics.json", says="test/accuracy", after=(CNN,)),
    "quartet evaluate runs/cnn-0-… --no-costs": Run(makes="runs/cnn-0-*/evaluate/cost.json", after=(CNN,)),
    PRICED: Run(says="training at 2.5 an hour", after=(CNN, EVALUATED, *TRAINED_RNN)),
    "quartet compare runs/cnn-0-… --out two": Run(makes="two/index.html", says="accuracy ↑", after=(EVALUATED,)),
    "quartet plan": Run(says="4 runs"),
    "quartet plan experiment=cnn net.width=48 trainer.devices=2": Run(says="1 run, 0 done"),
    "quartet plan experiment=cnn --no-measure --json": Run(says='"experiment": "cnn"'),
    "quartet train experiment=fashion_mnist_mlp": Run(makes="runs/fashion_mnist_mlp-0-*/model.json"),
    "quartet train experiment=cnn match.parameters=2e5": Run(says="net.width="),
    "quartet trace runs/cnn-0-…": Run(says="configuration  runs/cnn-0-", after=(CNN,)),
    "quartet trace --repeat runs/cnn-0-…": Run(says="same to the bit", after=(CNN,)),
    "quartet trace --send runs/cnn-0-…": Run(says="has all of it, as run", after=(CNN,)),
    REGISTERED: Run(makes="reports/index.html", says="quartet-classify", after=(CNN, EVALUATED, *TRAINED_RNN)),
    "quartet predict classify image.png photos/": Run(says="photos/kind0/0.png\t0 ", after=(REGISTERED,)),
    'quartet predict language "The cat eats" --tokens 200': Run(says="The cat eats", after=(REGISTERED,)),
    "quartet predict classify image.png --from runs/cnn-0-… --json": Run(says='"file": "image.png"', after=(CNN,)),
    "quartet train experiment=own_images data.source.folder=photos": Run(makes="runs/own_images-0-*/model.json"),
    "quartet train experiment=own_text data.source.folder=texts": Run(makes="runs/own_text-0-*/model.json"),
    "quartet train experiment=own_pairs data.source.folder=pairs.tsv": Run(makes="runs/own_pairs-0-*/model.json"),
    "quartet train experiment=own_images data=own_image_arrays data.source.file=arrays.npz": Run(says="val/accuracy"),
    "quartet train experiment=own_series data.source.file=series.npz": Run(says="val/accuracy"),
    LABELLED: Run(makes="runs/own_labelled-0-*/model.json", says="val/accuracy"),
    "quartet train experiment=own_labelled data=own_text_folders data.source.folder=letters": Run(says="val/accuracy"),
    QUESTIONS: Run(makes="runs/trec_cnn-0-*/model.json", says="trec_cnn-0: val/accuracy"),
    "quartet evaluate runs/trec_cnn-0-…": Run(says="test/accuracy", after=(QUESTIONS,)),
    'quartet predict classify --text "Who wrote Hamlet ?" --from runs/trec_cnn-0-…': Run(
        says="Who wrote Hamlet ?\t", after=(QUESTIONS,)
    ),
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
    AMOUNTS: Run(makes="amounts/dvc.yaml"),
    "quartet grid amounts": Run(makes="amounts/reports/index.html", says="limit train", after=(AMOUNTS,)),
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
    "python benchmarks/bench.py --only startup --quick": Run(makes="reports/bench.json", never="broken:"),
    "python benchmarks/calibration.py --quick": Run(makes="reports/calibration.json", says="mnist1d"),
}  # fmt: skip
SERVERS = {"make ui": 5000, "quartet ui --port 5002": 5002}  # their test asks the page that they serve
# What needs a cluster, a server or hours, and where that is run instead.
ANSWERED = "tests/quartet_app/choose/test_choose.py::test_it_answers_within_the_time_given_and_is_killed_and_goes_on"
WON = "tests/quartet_app/choose/test_choose.py::test_the_net_that_must_win_does"
TUNED_ALIKE = "tests/quartet_app/choose/test_tune.py::test_each_experiment_of_a_table_is_tuned_alike"
FOUND = "tests/quartet_app/findings/test_findings.py::test_findings_are_trained_measured_and_concluded"
TRIED = "tests/quartet_app/findings/test_quick.py::test_each_finding_can_be_tried"
ELSEWHERE = {
    "quartet findings --only C2,R5": FOUND,
    "make findings": FOUND,
    "cd findings && dvc repro": FOUND,
    "cd findings && dvc repro stages/finding_images/dvc.yaml:evaluate@0": FOUND,
    "quartet findings --quick": TRIED,
    "quartet tune grid --only mnist1d_cnn,mnist1d_rnn": TUNED_ALIKE,
    "make tuned-grid": TUNED_ALIKE,
    "quartet choose data=mnist1d --minutes 10": ANSWERED,
    "quartet choose --resume": ANSWERED,
    "quartet choose data=mnist1d --minutes 20 --size 1e5 --latency 5ms --bytes 2MB": ANSWERED,
    "quartet choose data=mnist1d --nets cnn,rnn,transformer,mlp --size 1e5": WON,
    "quartet choose data=own_images data.source.folder=photos --hours 2": WON,
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make bench": "tests/benchmarks/test_bench.py",
    "python benchmarks/calibration.py --jobs 2":
        "tests/benchmarks/test_calibration.py::test_it_works_and_goes_on_where_it_stopped",
    "python benchmarks/chance_table.py":
        "tests/report/chance/test_coverage.py::test_the_table_of_the_documentation_holds",
    "quartet train --multirun sweep=gan trainer.devices=2 hydra.sweeper.address=auto":
        "tests/quartet_app/sweep/test_sweep_cluster.py::test_workers_on_two_machines_give_the_weights_of_one_process",
    "dvc remote add -d store /some/folder && dvc push":
        "tests/quartet_app/table/test_graph.py::test_a_clone_pulls_and_trains_nothing",
    "MLFLOW_TRACKING_URI=sqlite:///mlflow.db mlflow models serve -m models:/quartet-language@champion "
    "--env-manager local --host 127.0.0.1 --port 5001":
        "tests/quartet_app/commands/test_served.py::test_a_champion_answers_over_http",
    """curl -d '{"inputs": ["The cat eats"]}' -H 'Content-Type: application/json' http://127.0.0.1:5001/invocations""":
        "tests/quartet_app/commands/test_served.py::test_a_champion_answers_over_http",
}  # fmt: skip


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
        assert wanted.never is None or wanted.never not in printed, f"{command}\n{printed}"
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
