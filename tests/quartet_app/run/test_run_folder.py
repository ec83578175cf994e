"""The folder of a run: which run is done, and what it hands on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from running import only_run

from quartet_app.config.composing import compose
from quartet_app.config.resolved import load_config
from quartet_app.data.prepared import ensure
from quartet_app.run.run_folder import EXPORTED, Run
from quartet_app.run.train import train


def test_a_run_is_done_when_it_has_ended_with_this_configuration(small: Callable[..., list[str]], here: Path) -> None:
    train(compose(small("cnn", steps=2)))
    folder = only_run(here)
    config = load_config(folder / "config.yaml")
    run = Run(config, ensure(config["data"]))
    assert run.folder.resolve() == folder.resolve()
    assert run.done
    assert all((folder / name).exists() for name in EXPORTED)
    assert not Run({**config, "seed": 1}, run.data, place=folder).done, "it is another configuration's"
    for status in ("RUNNING", "FAILED"):
        run.remember(status=status)
        assert not run.done
    run.remember(status="FINISHED")
    assert run.done
    assert not Run(config, run.data, place=here / "absent").done


def test_a_finished_run_that_a_sweep_resumes_keeps_its_checkpoints(small: Callable[..., list[str]], here: Path) -> None:
    train(compose(small("cnn", steps=2)))
    folder = only_run(here)
    config = load_config(folder / "config.yaml")
    run = Run(config, ensure(config["data"]), place=folder)
    start = folder / "checkpoint"
    shutil.copyfile(folder / "checkpoints" / "last.ckpt", start)
    run.open(start=start)
    assert start.exists(), "training begins with it"
    assert (folder / "checkpoints" / "best.ckpt").exists(), "it may have ended already, and then takes its best"
    assert (folder / "before" / "model.safetensors").exists(), "the rest is set aside"
    assert not (folder / "model.safetensors").exists()
