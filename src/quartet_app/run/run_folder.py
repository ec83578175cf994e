"""Keep a run's folder, which is named by the run's fingerprint: configuration, data and code together.

So an interrupted run finds its own checkpoint and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from quartet.types import QuartetError
from quartet_app.config import resolved
from quartet_app.config.own_code import own_sources
from quartet_app.config.project import REPOSITORY
from quartet_app.config.resolved import Config, save_config
from quartet_app.data.content import read_manifest
from quartet_app.files import make_folder, read_record, whole_file, write_text
from quartet_app.run import work_tree

RUNS = Path("runs")

DECIDING = ("data", "methods", "nets", "tasks")  # the rooms of the library whose code decides a run's outcome
LOST_STATE = "delete {path}; the same command then goes on from the last checkpoint, as another run in MLflow"
# The results of a finished run, which evaluation, comparison and prediction read.
LAST_EXPORTED = "run.json"  # where it is, the others are there and whole
EXPORTED = ("config.yaml", "model.json", "model.safetensors", "train.csv", "val.csv", "work_tree.diff", LAST_EXPORTED)


@dataclass(frozen=True)
class Run:
    """Hold a run: one resolved configuration with its prepared data.

    `place` is the folder of a run that is not named by its fingerprint. Each trial of a sweep has such a folder, so
    that two trials with equal settings stay apart.
    """

    config: dict[str, Any]
    data: Path
    place: Path | None = None

    @cached_property
    def config_hash(self) -> str:
        """Return the SHA-256 (hex) of the configuration."""
        return resolved.config_hash(self.config)

    @cached_property
    def data_digest(self) -> str:
        """Return the digest (hex) of the prepared data, from its manifest."""
        return str(read_manifest(self.data)["digest"])

    @cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of configuration, data and code together."""
        return fingerprint(self.config_hash, self.data_digest, code_digest(), own_code_digest(self.config))

    @property
    def name(self) -> str:
        """Return "<experiment>-<seed>"."""
        return f"{self.config['experiment']}-{self.config['seed']}"

    @property
    def folder(self) -> Path:
        """Return the run's folder, which need not exist yet."""
        return self.place or RUNS / f"{self.name}-{self.fingerprint[:12]}"

    @property
    def state(self) -> dict[str, Any]:
        """Return the content of state.json, which holds facts between two attempts at this run; {} before the first."""
        path = self.folder / "state.json"
        return read_record(path, remedy=LOST_STATE.format(path=path)) if path.exists() else {}

    def remember(self, **facts: Any) -> None:
        """Add `facts` to state.json."""
        write_text(self.folder / "state.json", json.dumps({**self.state, **facts}, indent=1))

    @property
    def done(self) -> bool:
        """Return True where this run, with the same configuration, data and code, has ended without an error."""
        return self.state.get("status") == "FINISHED" and self.state.get("fingerprint") == self.fingerprint

    def open(self, *, start: Path | None = None) -> None:
        """Make the folder for a new start; keep the checkpoints of an interrupted run in it.

        The files of a finished run are set aside until the new run has finished too; then `close` deletes them. In a
        `place`, checkpoints of another fingerprint are deleted. They stay where a sweep gives a trial the checkpoint
        `start`, which may lie in this folder: population based training changes the settings of a trial under way, or
        resumes one that it paused when it had just finished.
        """
        if self.before.exists() and not (self.folder / "state.json").exists():
            raise QuartetError(f"{self.before}: is there already, in a folder that holds no run; move it away")
        if (
            self.place is not None
            and start is None
            and self.state.get("fingerprint", self.fingerprint) != self.fingerprint
        ):
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
            state = {"mlflow_run_id": self.state.get("mlflow_run_id")}  # the trial stays one run in MLflow
            write_text(self.folder / "state.json", json.dumps(state))
        if self.state.get("status") == "FINISHED":
            self.close()
            kept = {self.folder / "lock", *({start, self.folder / "checkpoints"} if start is not None else ())}
            children = [child for child in self.folder.iterdir() if child not in kept]
            self.before.mkdir()
            for child in children:
                child.rename(self.before / child.name)
        make_folder(self.folder)
        save_config(self.config, self.folder / "config.yaml")
        sources = work_tree.read_work_tree(REPOSITORY)  # read now, since a person may edit or commit during training
        work_tree.write_diff(self.folder / "work_tree.diff", sources.diff)
        own = own_code_digest(self.config)
        digests = {"code_digest": code_digest(), **({"own_code_digest": own} if own else {})}
        self.remember(fingerprint=self.fingerprint, git_commit=sources.commit, **digests)

    @property
    def before(self) -> Path:
        """Return the folder that holds a finished run's files while the run is trained again."""
        return self.folder / "before"

    def close(self) -> None:
        """Delete the files of an earlier run of the same fingerprint."""
        shutil.rmtree(self.before, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self, *, patience: float = 0.0) -> Iterator[None]:
        """Lock the folder, since two processes with the same run would overwrite each other's files.

        Waits `patience` seconds for a process that holds the lock. Raises QuartetError after that.
        """
        make_folder(self.folder)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            raise QuartetError(
                f"{self.folder} is in use: the same configuration, data and code are being trained already\n"
                "wait for that run to end, or change the seed"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def export_results(self, target: Path) -> None:
        """Copy the results of a finished run to `target`, without checkpoints."""
        make_folder(target)
        (target / LAST_EXPORTED).unlink(missing_ok=True)
        for name in EXPORTED:
            with whole_file(target / name) as part:
                shutil.copyfile(self.folder / name, part)


def fingerprint(config_hash: str, data_digest: str, code: str, own_code: str | None = None) -> str:
    """Return one SHA-256 (hex) over the digests of configuration, data, code and, if any, a user's own code."""
    parts = [config_hash, data_digest, code, *([own_code] if own_code else [])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def code_digest() -> str:
    """Return the SHA-256 over the sources that decide a run's outcome.

    Unlike a commit's hash, it covers uncommitted changes, and does not change with the README or the report.
    """
    return _digest({path.relative_to(REPOSITORY).as_posix(): path for path in deciding_sources()})


def own_code_digest(config: Config) -> str | None:
    """Return the SHA-256 over the sources of the user's own packages that `config` names; None where it names none."""
    sources = own_sources(config)
    return _digest(dict(sorted(sources.items()))) if sources else None


def _digest(files: dict[str, Path]) -> str:
    """Return the SHA-256 (hex) over names and contents of files, in the order of the mapping."""
    digest = hashlib.sha256()
    for name, path in files.items():
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def deciding_sources() -> list[Path]:
    """Return the files whose code decides a run's outcome, in the order of their paths."""
    library, own = REPOSITORY / "src" / "quartet", Path(__file__).parent
    rooms = (path for room in DECIDING for path in (library / room).rglob("*.py"))
    files = (
        library / "budget.py",
        library / "types.py",
        own / "build.py",
        own / "workers" / "trainer.py",
        own / "workers" / "worker.py",
    )
    return sorted([*rooms, *files])


def git_commit() -> str:
    """Return the commit of the sources, with `-dirty` for uncommitted changes; `unknown` outside a repository."""
    return work_tree.read_work_tree(REPOSITORY).commit


def names(config: Config) -> dict[str, Any]:
    """Return the names that place a run in the table: experiment, net, task, method, data and seed."""
    classes = {part: config[part]["_target_"].rsplit(".", 1)[1].lower() for part in ("net", "task", "method")}
    return {"experiment": config["experiment"], **classes, "data": config["data"]["name"], "seed": config["seed"]}
