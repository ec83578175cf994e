"""Running the pipeline as a user does, and looking at what a run left."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import yaml

from quartet.data import DataModule, Source, prepare
from quartet.types import QuartetError
from quartet_app.config.project import CONF

ROOT = Path(__file__).parents[1]
Ask = Callable[[Any], tuple[int, Any]]  # what is sent to a server: its status and its answer
QUARTET = (sys.executable, "-m", "quartet_app")  # the command `quartet`, by this Python


def command(
    name: str, *arguments: str, cwd: Path, check: bool = True, limit: float = 300, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run `quartet NAME …` as a user does, one thread a process. Its output is read in the encoding that it is told."""
    done = subprocess.run(
        [*QUARTET, name, *arguments], cwd=cwd, capture_output=True, encoding=env.get("PYTHONIOENCODING", "utf-8"),
        env={**os.environ, "OMP_NUM_THREADS": "1", **env}, timeout=limit,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def interrupted(overrides: list[str], folder: Path) -> None:
    """Start a run and kill it without warning once it has written a checkpoint."""
    process = subprocess.Popen([*QUARTET, "train", *overrides], cwd=folder, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(folder.glob("runs/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def mlflow_server(store: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real MLflow server on the store, its log and artifacts in `folder`: the process and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--artifacts-destination", f"{folder}/artifacts", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen([*command, "--workers", "1"], env=quiet, stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(120):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        time.sleep(1.0)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def model_server(uri: str, folder: Path) -> Iterator[Ask]:
    """`mlflow models serve` of a model of the store in `folder`, as its own group of processes: what asks it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = ["models", "serve", "-m", uri, "--env-manager", "local"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder, env={**os.environ, "PATH": programs(), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    def ask(what: Any) -> tuple[int, Any]:
        body = what if isinstance(what, str) else json.dumps(what)
        request = urllib.request.Request(
            f"{address}/invocations", data=body.encode(), headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield ask
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def programs() -> str:
    """PATH with the programs of this Python first, whether its environment is activated or not."""
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def environment(project: Path) -> dict[str, str]:
    """For a copy of the repository in `project`: its own sources and conf/, and this Python's programs."""
    inherited = {key: value for key, value in os.environ.items() if project == ROOT or key != "QUARTET_SHIPPED_CONF"}
    return {**inherited, "PATH": programs(), "PYTHONPATH": f"{project / 'src'}:{project}"}


def copy_project(folder: Path) -> Path:
    """Copy the code, the shipped conf/ and the root's table into `folder`, a repository of git and of DVC."""
    copy_repository(folder)
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
    for arguments in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(arguments, cwd=folder, env=environment(folder), check=True)
    return folder


def copy_repository(folder: Path) -> Path:
    """Copy the code and the shipped conf/ into `folder`, without what a person has added to conf/."""
    for place in (CONF, ROOT / "src", ROOT / "pipelines"):
        shutil.copytree(place, folder / place.name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


def recipe(family: str, **changes: Any) -> Any:
    """The net of conf/net/<family>.yaml, with what is asked to be different, perhaps the class. Keys that it lacks are
    left out."""
    fields = yaml.safe_load((CONF / "net" / f"{family}.yaml").read_text())
    target = changes.get("_target_", fields.pop("_target_"))
    make = locate(target)
    if not callable(make):
        pytest.fail(f"conf/net/{family}.yaml: there is no {target}; name the class by its full path")
    return make(**fields | {key: value for key, value in changes.items() if key in fields})


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / "runs").glob("*/config.yaml"))


def only_run(folder: Path) -> Path:
    (run,) = runs(folder)
    return run


def facts(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text())


def weights(run: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(run / "model.safetensors")


def curve(run: Path, split: str) -> list[dict[str, str]]:
    with (run / f"{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def prepare_own(tmp_path: Path, source: Source) -> DataModule:
    """Prepare a person's own data through the real source."""
    folder = prepare(name="own", source=source, recipe={}, root=tmp_path / "data", downloads=tmp_path / "downloads")
    context = 8 if source.KIND == "text" else None
    return DataModule(folder=folder, batch_size=512, evaluation_batch_size=512, context=context)


def refused_own(tmp_path: Path, source: Source, words: str) -> None:
    """Check that wrong data is refused, in two lines at most, and leaves nothing behind."""
    with pytest.raises(QuartetError, match=words) as error:
        prepare_own(tmp_path, source)
    assert str(error.value).count("\n") <= 1
    assert not (tmp_path / "data" / "own").exists()
