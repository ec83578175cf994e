"""Repeat a run in a new folder and compare the two bit by bit.

The repeat has the run's resolved configuration and as many devices and threads: the last bits of a sum depend on them.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError, check_name
from quartet_app.config.check import check
from quartet_app.config.project import REPOSITORY, project
from quartet_app.config.resolved import Config, config_hash
from quartet_app.config.trust import check_file
from quartet_app.data.content import read_manifest
from quartet_app.files import relative_to_cwd
from quartet_app.provenance.differences import Comparison, compare_runs
from quartet_app.provenance.run_record import RunRecord
from quartet_app.run.environment import environment
from quartet_app.run.run_folder import code_digest, fingerprint, git_commit, own_code_digest
from quartet_app.run.work_tree import read_diff

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

REPEATS = Path("runs/repeats")
UNTRACKED = {"_target_": "quartet.tracking.NoTracking"}
SAME, DIFFERENT = 0, 1
COMMIT = re.compile(r"[0-9a-f]{7,64}(-dirty)?")


def repeat(run: RunRecord, *, anyway: bool, as_json: bool) -> int:
    """Repeat `run` and print the comparison; returns the exit code SAME or DIFFERENT.

    Deletes a repeat that is the same. Raises QuartetError for a run that cannot be repeated and, unless `anyway`, where
    configuration, code or data have changed since.
    """
    refuse_unrepeatable(run)
    check_file(run.config, Path(f"{run.folder}/config.yaml"))
    config = repeat_config(run)
    data = data_mismatch(run, config)
    doubts = [doubt for doubt in (configuration_mismatch(run), code_mismatch(run), data, cluster(config)) if doubt]
    if doubts and not anyway:
        raise QuartetError("\n".join([*doubts, "or add --anyway to repeat it all the same"]))
    check(config)
    folder = new_folder(run)
    environment_changes = changes(run.facts.get("environment") or {}, environment())
    commit = changes({"commit": run.facts.get("git_commit")}, {"commit": git_commit()})
    with redirect_output(as_json):
        for line in [f"repeating {run.name} ({run.found_by}) in {folder}", *doubts, *commit, *environment_changes]:
            print(line, flush=True)
        train_again(run, config, folder.absolute())
    comparison = compare_runs(run, folder)
    machine = changes(run.facts.get("trained_on") or {}, comparison.trained_on)
    if comparison.same:
        shutil.rmtree(folder)
    if as_json:
        reasons = {"environment": environment_changes, "machine": machine, "commit": commit, "doubts": doubts}
        print(
            json.dumps(
                {**comparison.facts(), **reasons, "kept": None if comparison.same else relative_to_cwd(folder)},
                indent=1,
            )
        )
    else:
        print(verdict(comparison, [*doubts, *commit, *environment_changes, *machine], folder))
    return SAME if comparison.same else DIFFERENT


def refuse_unrepeatable(run: RunRecord) -> None:
    """Raise QuartetError for a run that no training could repeat, or without a result to compare with."""
    facts = run.facts
    if not run.ended or not run.config or run.folder is None:
        raise QuartetError(f"{run.name} has not ended, or its files are gone: there is nothing to compare with")
    if not (run.folder / "model.safetensors").exists() and not facts.get("weights_sha256"):
        raise QuartetError(
            f"{run.folder}: its weights are gone and their SHA-256 was not recorded: it cannot be compared"
        )
    from quartet_app.provenance.lineage import sweep

    trial = sweep(run)
    if trial and trial["changed"]:
        raise QuartetError(
            f"{run.name}: its sweep's scheduler changed its values or weights during training\n"
            "such a trial cannot be repeated from its configuration alone"
        )
    if facts.get("stopped_early") and facts["devices"] > 1:
        raise QuartetError(f"{run.name} was stopped early by its sweep on several devices; this cannot be repeated")


def repeat_config(run: RunRecord) -> Config:
    """Return the run's configuration without tracking, with the threads and accelerator that it was trained on."""
    config = copy.deepcopy(run.config)
    config |= {"out": None, "tracking": UNTRACKED, "tuned_from": config.get("tuned_from")}
    trained_on = run.facts.get("trained_on") or {}
    config["trainer"] |= {key: trained_on[key] for key in ("threads", "accelerator") if key in trained_on}
    if run.facts.get("sweep") or run.facts.get("stopped_early"):
        config["launcher"] = {"_target_": "quartet_app.run.workers.launch.Local"}
    return config


def configuration_mismatch(run: RunRecord) -> str:
    """Return a message where config.yaml was changed after training; "" where it was not."""
    then, now = run.facts["config_hash"], config_hash(run.config)
    if now == then:
        return ""
    return f"{run.folder}/config.yaml was changed after training: its hash is {now[:12]}, the run's {then[:12]}"


def code_mismatch(run: RunRecord) -> str:
    """Return a message, with the commands that restore the code, where it is not the run's; "" where it is."""
    facts = run.facts
    now, own = code_digest(), own_code_digest(run.config)
    if fingerprint(facts["config_hash"], facts["data_digest"], now, own) == facts["fingerprint"]:
        return ""
    if own != (then := facts.get("own_code_digest")):
        return (
            f"your own code at hand is not this run's: its digest is {(own or 'none')[:12]}, the run's "
            f"{(then or 'none')[:12]}; put its files back as they were"
        )
    commit = str(facts.get("git_commit") or "unknown")
    message = (
        f"the code at hand is not this run's: its digest is {now[:12]}, the run's {facts.get('code_digest', '')[:12]}"
    )
    if not COMMIT.fullmatch(commit):  # a person pastes what follows into a shell
        return f"{message}; the run's commit is not known"
    copy_of_code = REPOSITORY.parent / f"{REPOSITORY.name}-{commit[:8]}"
    steps = [f"git -C {REPOSITORY} worktree add --detach {copy_of_code} {commit.removesuffix('-dirty')}"]
    if commit.endswith("-dirty"):
        apply = f"quartet trace {run.handle} --diff | git -C {copy_of_code} apply"
        has_diff = run.folder and read_diff(run.folder / "work_tree.diff")
        steps.append(apply if has_diff else "(its changes are lost)")
    steps.append(f"PYTHONPATH={copy_of_code / 'src'} python -m quartet_app trace --repeat {run.handle}")
    return f"{message}. To restore the run's code:\n" + "\n".join(f"  {step}" for step in steps)


def data_mismatch(run: RunRecord, config: Config) -> str:
    """Return a message where the data set has changed since the run; "" where it has not. Prepares the data."""
    from quartet_app.data.prepared import ensure

    with contextlib.chdir(place_of(run)):
        folder = ensure(config["data"], full=True)
        digest = read_manifest(folder)["digest"]
    if digest == run.facts["data_digest"]:
        return ""
    return (
        f"the data is not this run's: {folder} has digest {digest[:12]}, the run's was {run.facts['data_digest'][:12]}"
    )


def cluster(config: Config) -> str:
    """Return a message where the run's launcher joins a Ray cluster elsewhere: it can run any code on this machine."""
    address = config["launcher"].get("address")
    if address in (None, "auto"):
        return ""
    return f"launcher.address: the run joins the Ray cluster at {address}, which can run any code here"


def new_folder(run: RunRecord) -> Path:
    """Create an empty folder for a repeat: training would resume from a checkpoint in an old one."""
    check_name(run.facts.get("experiment"), f"{run.folder}/run.json: experiment")
    name = check_name(f"{run.name}-{run.facts['fingerprint'][:12]}", f"{run.folder}/run.json: seed, fingerprint")
    for number in range(10_000):
        folder = REPEATS / f"{name}-{number}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise QuartetError(f"{REPEATS} is full: delete what is not needed")


def place_of(run: RunRecord) -> Path:
    """Return the folder to repeat a run in: its table's if that lies in the working directory or in the project.

    Elsewhere it is somebody else's, where nothing is to be prepared, and from where nothing is to be imported: the run
    is then repeated in the working directory, and its relative paths count from there.
    """
    table = run.table.resolve()
    return run.table if any(table.is_relative_to(own) for own in (Path.cwd(), project())) else Path()


def train_again(run: RunRecord, config: Config, folder: Path) -> None:
    """Train in the empty, absolute `folder`, from the run's `place_of`; deletes it after an error."""
    from hydra_plugins.quartet_ray_sweeper import use_channel
    from quartet_app.run.train import train

    ends: AbstractContextManager[None] = contextlib.nullcontext()
    if run.facts.get("stopped_early"):
        ends = use_channel(StopAt(run.facts["samples_seen"]), None)
    try:
        with ends, contextlib.chdir(place_of(run)):
            train(config, folder=folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, QuartetError) or not isinstance(error, Exception):
            raise
        traceback.print_exc()  # exit code 1 would mean that the repeat is different
        raise QuartetError(f"the repeat of {run.name} broke off, and nothing was compared: {error}") from error


class StopAt:
    """Stop a training after as many samples as the sweep's scheduler had stopped it."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        """Return True where training has to stop."""
        return metrics["samples"] >= self.samples


@contextlib.contextmanager
def redirect_output(as_json: bool) -> Iterator[None]:
    """Send the output of training to standard error with --json, so that standard output holds JSON alone."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each key whose value differs. A key that is missing in one of them is no difference."""
    return [f"{key}: {then[key]} then, {now[key]} now" for key in then if key in now and then[key] != now[key]]


def verdict(comparison: Comparison, reasons: list[str], folder: Path) -> str:
    """Return the result of a repeat for a person, with the `reasons` that may explain a difference."""
    if comparison.same:
        return f"same to the bit: {comparison.counted}"
    lines = ["different:", *comparison.lines]
    lines += ["changed since:", *reasons] if reasons else ["code, data, environment and machine are unchanged"]
    return "\n  ".join(lines) + f"\nthe repeat is kept in {folder}"
