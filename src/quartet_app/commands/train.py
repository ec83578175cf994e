"""Train one run, or several: compose or load a configuration, check it, and fit.

quartet train experiment=cnn net.width=48          composed by Hydra
quartet train -m experiment=cnn,rnn seed=0,1       four runs
quartet train build/cnn.yaml seed=0 out=DIR        a DVC stage: composed before
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quartet.types import QuartetError
from quartet_app.cli import typed_overrides
from quartet_app.run.train import train_config

if TYPE_CHECKING:
    from quartet_app.sweep.multirun import Task


def main(arguments: list[str], task: Task = train_config) -> None:
    """Run `task`, by default training, on the configuration of the command line; with `--multirun` several times."""
    if {"--help", "-h"} & set(arguments):
        print(help_text())
        return
    keys, arguments = explained(typed_overrides(arguments))
    if keys:
        from quartet_app.config.origin import explain_keys

        print(explain_keys(arguments, keys))
        return
    sweep = next((argument for argument in arguments if argument.startswith(("sweep=", "space="))), None)
    if sweep is not None and not {"--multirun", "-m", "--cfg", "-c"} & set(arguments):
        raise QuartetError(f"{sweep}: a sweep is many runs; add --multirun")
    if any(argument.startswith(("-", "hydra")) for argument in arguments):
        from quartet_app.sweep.multirun import run_hydra

        run_hydra(task, arguments)
    else:
        run_once(task, arguments)


def explained(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the keys that `--explain KEY` or `--explain=KEY` names, and the other arguments."""
    keys, others = [], []
    rest = iter(arguments)
    for word in rest:
        if word == "--explain":
            keys.append(next(rest, ""))
        elif word.startswith("--explain="):
            keys.append(word.partition("=")[2])
        else:
            others.append(word)
    if "" in keys:
        raise QuartetError("--explain: no key given; name one, as in --explain optimizer.lr")
    if keys and {"--multirun", "-m"} & set(others):
        raise QuartetError("--explain: a multirun has many configurations; leave out -m and give one value each")
    return keys, others


def run_once(task: Task, arguments: Sequence[str]) -> None:
    """Run `task` once. Of Hydra, this needs only the composing."""
    from quartet_app.config.composing import config_of
    from quartet_app.run.crash import run_task

    run_task(task, config_of(arguments))


def help_text() -> str:
    """Return the help text, with all experiments and groups that conf/ has now."""
    from quartet_app.config.options import groups, headline, option_files, options

    command = "quartet train"
    chosen = [group for group in groups() if group != "experiment" and options(group)]
    wide = max(map(len, chosen + option_files("experiment")), default=0)
    return "\n".join(
        [
            (__doc__ or "").splitlines()[0],
            "",
            f"  {command} experiment=cnn",
            f"  {command} experiment=cnn net.width=48 optimizer.lr=0.1 profile=full",
            f"  {command} experiment=rnn trainer=ddp trainer.devices=2",
            f"  {command} experiment=cnn seed=0,1,2 --multirun",
            f"  {command} sweep=cnn --multirun               a search by Ray Tune",
            f"  {command} build/cnn.yaml seed=1      a resolved file, as the pipeline runs it",
            "",
            "Experiments (experiment=…):",
            *(f"  {name:{wide}}  {headline('experiment', name)}" for name in option_files("experiment")),
            f"  and <line>_<net> with any net for each line of the grid: {', '.join(option_files('experiment/grid'))}",
            "",
            "Groups (net=…), from which an experiment chooses; each value can be set, as net.width=48:",
            *(f"  {group:{wide}}  {', '.join(options(group))}" for group in chosen),
            "",
            "To see all settings of a run: --cfg job. To see what gave a key its value: --explain KEY.",
            "Hydra's other flags: --hydra-help.",
        ]
    )
