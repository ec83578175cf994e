"""A net, a task with a role, and a data set of a user's own: named by `_target_`, nothing shipped knows of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import ROOT, command, facts, runs, weights

from quartet.types import QuartetError
from quartet_app.config.composing import compose
from quartet_app.config.resolved import load_config
from quartet_app.run.run_folder import Run, own_code_digest

OWN = ROOT / "tests" / "own_package"
QUICK = ["trainer.progress=false", "trainer.threads=1", "tracking.system_metrics=false"]
SERIES = np.sin(np.linspace(0, 6, 24) * 3).round(3).astype(np.float32)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user's package lies: outside the project and the repository, on the path of Python."""
    place = tmp_path_factory.mktemp("library")
    shutil.copytree(OWN / "lib" / "mine", place / "mine")
    return place


def quartet(name: str, *arguments: str, cwd: Path, library: Path) -> str:
    return command(name, *arguments, cwd=cwd, PYTHONPATH=f"{ROOT / 'src'}:{library}").stdout


@pytest.fixture(scope="module")
def project(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder: its conf/, a run of the own task, and one of a shipped task with the own net."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(OWN / "conf", folder / "conf")
    quartet("train", "experiment=mine", *QUICK, cwd=folder, library=library)
    shipped = ["experiment=mnist1d_mine", "data=waves", "match.parameters=null", "budget=9 steps", "tracking=none"]
    quartet("train", *shipped, "validate_every=9 steps", *QUICK[:2], cwd=folder, library=library)
    return folder


def run_of(project: Path, experiment: str) -> Path:
    (found,) = (run for run in runs(project) if facts(run)["experiment"] == experiment)
    return found


def test_it_trains_and_is_evaluated_and_compared(project: Path, library: Path) -> None:
    run = run_of(project, "mine")
    known = facts(run)
    assert {key: known[key] for key in ("net", "task", "data", "monitor", "mode")} == {
        "net": "summaries", "task": "score", "data": "waves", "monitor": "val/absolute_error", "mode": "min"
    }  # fmt: skip
    assert known["metrics"]["val/absolute_error"] < 1.0, "the mean of the labels alone is as good"
    quartet("evaluate", str(run), cwd=project, library=library)
    table = quartet("compare", str(run), cwd=project, library=library)
    assert "absolute error ↓" in table
    page = (project / "reports" / "index.html").read_text()
    assert "absolute error ↓" in page
    assert "Nothing to show for the task score beside its numbers" in page
    ((cell,),) = (entry["cells"] for entry in json.loads((project / "reports" / "statistics.json").read_text()))
    assert cell["covers"] == "test examples alone"
    assert cell["low"] < cell["mean"] < cell["high"]


SERVED = """
import sys, warnings
warnings.simplefilter("ignore")
import mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
print(model.predict(np.array([[float(word) for word in sys.argv[3:]]], np.float32))[0])
assert not {"mine", "quartet"} & set(sys.modules)
"""


def test_it_predicts_from_its_folder_and_from_mlflow(project: Path, library: Path) -> None:
    run = run_of(project, "mine")
    numbers = [str(value) for value in SERIES]
    said = quartet("predict", "mine.roles.Score", "--from", str(run), "--", *numbers, cwd=project, library=library)
    name, _, score = said.strip().partition(": ")
    assert name == "mine"
    where = [f"sqlite:///{project}/mlflow.db", f"runs:/{facts(run)['mlflow_run_id']}/model"]
    served = subprocess.run(
        [sys.executable, "-c", SERVED, *where, *numbers], capture_output=True, text=True, check=True, cwd=project
    )
    assert float(served.stdout.split()[-1]) == pytest.approx(float(score), abs=2e-4)


def test_a_shipped_role_knows_the_net_where_conf_names_it(
    project: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from quartet_app.predict import predictor

    monkeypatch.syspath_prepend(library)
    monkeypatch.chdir(project)
    run = run_of(project, "mnist1d_mine")
    loaded, _ = predictor.from_folder(run, "classify", name="mine")
    assert loaded.probabilities(SERIES[None, :, None]).shape == (1, 4)
    described = json.loads((run / "model.json").read_text())
    shutil.copytree(run, tmp_path / "theirs")
    for target in ("os.path.join", "subprocess.Popen", "torch.nn.Linear", "mine.tasks.Score"):
        text = json.dumps({**described, "net": {"_target_": target}})
        (tmp_path / "theirs" / "model.json").write_text(text)
        with pytest.raises(QuartetError, match="no such net"):
            predictor.from_folder(tmp_path / "theirs", "classify", name="theirs")
    monkeypatch.chdir(tmp_path)  # where no conf/ names the package
    with pytest.raises(QuartetError, match=r"mine\.nets\.Summaries: no such net"):
        predictor.from_folder(run, "classify", name="mine")


def test_an_edit_of_the_code_is_another_run(project: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(library)
    path = run_of(project, "mine")
    config = load_config(path / "config.yaml")
    data = project / facts(path)["dataset"]["folder"]
    assert Run(config, data).fingerprint == facts(path)["fingerprint"]
    assert own_code_digest(config) == facts(path)["own_code_digest"]
    source = library / "mine" / "nets.py"
    before = source.read_text()
    source.write_text(before.replace("SLOPE = 0.1", "SLOPE = 0.2"))
    edited = Run(config, data).fingerprint
    source.write_text(before)
    assert edited != facts(path)["fingerprint"]
    assert own_code_digest(compose(["experiment=cnn"])) is None, "shipped code has a digest of its own"


@pytest.mark.slow
def test_two_devices_train_the_same_weights(project: Path, library: Path) -> None:
    def mine(devices: int) -> Path:
        more = [f"trainer.devices={devices}", "trainer.precision=64-true", "seed=3", "tracking=none"]
        quartet("train", "experiment=mine", *QUICK[:2], *more, cwd=project, library=library)
        (found,) = (run for run in runs(project) if facts(run)["seed"] == 3 and facts(run)["devices"] == devices)
        return found

    one, two = weights(mine(1)), weights(mine(2))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-9, atol=1e-12)
