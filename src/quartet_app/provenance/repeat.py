"""Run a traced run again, in a folder of its own, and compare: with the resolved configuration that it had, on as many
devices with as many threads, since a sum's last bits depend on how it is shared out."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.project import REPOSITORY
from quartet_app.config.resolved import Config, config_hash
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


def repeat(run: RunRecord, *, anyway: bool, as_json: bool) -> int:
    """Repeat `run` and print what came of it; returns the exit code. A repeat that is the same leaves nothing behind.

    Raises QuartetError where it cannot be repeated and, unless `anyway`, where configuration, code or data are not the
    run's.
    """
    refuse_impossible(run)
    config = tree_of(run)
    data = other_data(run, config)
    doubts = [doubt for doubt in (other_configuration(run), other_code(run), data) if doubt]
    if doubts and not anyway:
        raise QuartetError("\n".join([*doubts, "or --anyway, to see what comes out nevertheless"]))
    check(config)
    folder = fresh(run)
    around = differences(run.facts.get("environment") or {}, environment())
    commit = differences({"commit": run.facts.get("git_commit")}, {"commit": git_commit()})
    with shown(as_json):
        for line in [f"repeating {run.name} ({run.asked}) in {folder}", *doubts, *commit, *around]:
            print(line, flush=True)
        train_again(run, config, folder.absolute())
    comparison = compare_runs(run, folder)
    machine = differences(run.facts.get("trained_on") or {}, comparison.trained_on)
    if comparison.same:
        shutil.rmtree(folder)
    if as_json:
        reasons = {"environment": around, "machine": machine, "commit": commit, "doubts": doubts}
        print(
            json.dumps(
                {**comparison.facts(), **reasons, "kept": None if comparison.same else relative_to_cwd(folder)},
                indent=1,
            )
        )
    else:
        print(verdict(comparison, [*doubts, *commit, *around, *machine], folder))
    return SAME if comparison.same else DIFFERENT


def refuse_impossible(run: RunRecord) -> None:
    facts = run.facts
    if not run.ended or not run.config or run.folder is None:
        raise QuartetError(f"{run.name} has not ended, or its files are gone: there is nothing to compare with")
    if not (run.folder / "model.safetensors").exists() and not facts.get("weights_sha256"):
        raise QuartetError(
            f"{run.folder}: its weights are gone, and nothing says what they were: it cannot be compared"
        )
    from quartet_app.provenance.lineage import sweep

    trial = sweep(run)
    if trial and trial["changed"]:
        raise QuartetError(
            f"{run.name} went on from another trial's weights, or with values changed under way, as its sweep's\n"
            "scheduler decided: its configuration alone does not make it again"
        )
    if facts.get("stopped_early") and facts["devices"] > 1:
        raise QuartetError(f"{run.name} was stopped early by its sweep, on several devices: that is not repeated")


def tree_of(run: RunRecord) -> Config:
    """The run's own configuration, tracked nowhere, on what it was trained on."""
    config = copy.deepcopy(run.config)
    config |= {"out": None, "tracking": UNTRACKED, "tuned_from": config.get("tuned_from")}
    trained_on = run.facts.get("trained_on") or {}
    config["trainer"] |= {key: trained_on[key] for key in ("threads", "accelerator") if key in trained_on}
    if run.facts.get("sweep") or run.facts.get("stopped_early"):
        config["launcher"] = {"_target_": "quartet_app.run.launch.Local"}
    return config


def other_configuration(run: RunRecord) -> str:
    """What is wrong where config.yaml is not the one that the run had; "" where it is."""
    then, now = run.facts["config_hash"], config_hash(run.config)
    if now == then:
        return ""
    return f"{run.folder}/config.yaml was changed after training: its hash is {now[:12]}, the run's {then[:12]}"


def other_code(run: RunRecord) -> str:
    """What to do where the code at hand is not the run's; "" where it is."""
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
    said = (
        f"the code at hand is not this run's: its digest is {now[:12]}, the run's {facts.get('code_digest', '')[:12]}"
    )
    if commit == "unknown":
        return f"{said}; the run's commit is not known"
    place = REPOSITORY.parent / f"{REPOSITORY.name}-{commit[:8]}"
    words = [f"git -C {REPOSITORY} worktree add --detach {place} {commit.removesuffix('-dirty')}"]
    if commit.endswith("-dirty"):
        kept = run.folder and read_diff(run.folder / "work_tree.diff")
        words.append(f"quartet trace {run.handle} --diff | git -C {place} apply" if kept else "(its changes are lost)")
    words.append(f"PYTHONPATH={place / 'src'} python -m quartet_app trace --repeat {run.handle}")
    return f"{said}. To have it:\n" + "\n".join(f"  {word}" for word in words)


def other_data(run: RunRecord, config: Config) -> str:
    from quartet_app.data.prepared import ensure

    with contextlib.chdir(run.table):
        folder = ensure(config["data"])
        digest = json.loads((folder / "manifest.json").read_text())["digest"]
    if digest == run.facts["data_digest"]:
        return ""
    return (
        f"the data is not this run's: {folder} has digest {digest[:12]}, the run's was {run.facts['data_digest'][:12]}"
    )


def fresh(run: RunRecord) -> Path:
    """A new folder: one that held anything would be gone on with, and not be a repeat."""
    for number in range(10_000):
        folder = REPEATS / f"{run.name}-{run.facts['fingerprint'][:12]}-{number}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise QuartetError(f"{REPEATS} is full: delete what is not needed")


def train_again(run: RunRecord, config: Config, folder: Path) -> None:
    """Train in the empty `folder`, an absolute path, as seen from the run's table; where that fails, nothing is left
    of it."""
    from hydra_plugins.quartet_ray_sweeper._report import connected
    from quartet_app.run.train import train

    ends: AbstractContextManager[None] = contextlib.nullcontext()
    if run.facts.get("stopped_early"):
        ends = connected(EndAt(run.facts["samples_seen"]), None)
    try:
        with ends, contextlib.chdir(run.table):
            train(config, place=folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, QuartetError) or not isinstance(error, Exception):
            raise
        traceback.print_exc()  # and not on with code 1, which says that the repeat came out different
        raise QuartetError(f"the repeat of {run.name} broke off, and nothing was compared: {error}") from error


class EndAt:
    """Ends a training where the sweep's scheduler had ended it."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        return metrics["samples"] >= self.samples


@contextlib.contextmanager
def shown(as_json: bool) -> Iterator[None]:
    """What training says goes to the standard error where the standard output is for a program."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not as it was; what was not written down is no difference."""
    return [f"{key}: {then[key]} then, {now[key]} now" for key in then if key in now and then[key] != now[key]]


def verdict(comparison: Comparison, around: list[str], folder: Path) -> str:
    if comparison.same:
        return f"same to the bit: {comparison.counted}"
    lines = ["different:", *comparison.lines]
    lines += ["what was not as then:", *around] if around else ["code, data, environment and machine are as they were"]
    return "\n  ".join(lines) + f"\nthe repeat is kept in {folder}"
