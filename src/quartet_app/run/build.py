"""Build data, task, model and method from a resolved config. Only this module instantiates the parts of a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import get_class, instantiate

from quartet.budget import Budget

if TYPE_CHECKING:
    from torch import nn

    from quartet.data import DataModule
    from quartet.methods.method import Method
    from quartet.tasks import Task


def build_data(config: dict[str, Any], folder: Path) -> DataModule:
    """Return the data module of the run, which reads the prepared data in `folder`."""
    return instantiate(config["data"]["loading"])(folder=folder, seed=config["seed"])


def build_task(config: dict[str, Any]) -> Task:
    """Return the task of the run: its loss and its metrics."""
    return instantiate(config["task"])


def method_class(config: dict[str, Any]) -> type[Method]:
    """Return the class of the method, which builds the model and says which part of it predicts."""
    return get_class(config["method"]["_target_"])


def nets_of(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of each net of a run by its key: `net`, and the nets that the method adds."""
    return {"net": config["net"], **{name: config["method"][name] for name in method_class(config).NETS}}


def build_model(config: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """Return the model that the method trains. It is built for the task and the data, of one net or of several."""
    nets = {name: instantiate(net) for name, net in nets_of(config).items()}
    return method_class(config).build_model(task, nets, data)


def build_method(config: dict[str, Any], data: DataModule) -> Method:
    """Return the method, a LightningModule, with weights drawn by the config's seed. Gives `data` the same clock."""
    import torch

    from quartet.methods.clock import TrainingClock

    torch.manual_seed(config["seed"])
    task = build_task(config)
    model = build_model(config, task, data)
    data.clock = clock = TrainingClock(
        budget=Budget.parse(config["budget"]),
        validate_every=Budget.parse(config["validate_every"], key="validate_every"),
        samples_per_epoch=data.examples["train"],
    )
    nets = method_class(config).NETS
    options = {key: value for key, value in config["method"].items() if key not in nets}
    return instantiate(options)(
        task=task,
        model=model,
        clock=clock,
        optimizer=instantiate(config["optimizer"]),
        schedule=unchecked(instantiate(config["schedule"])),
        seed=config["seed"],
    )


def unchecked(deferred: partial[float]) -> partial[float]:
    """Return the same partial without Hydra's check at each call.

    Hydra checked the target when it instantiated it. A check in every training step would cost a third of a
    millisecond.
    """
    return partial(deferred.func, *deferred.args, **deferred.keywords)


def describe_model(config: dict[str, Any], task: Task, data: DataModule) -> dict[str, Any]:
    """Return the content of model.json. With it, predicting needs neither the data nor the configuration."""
    from quartet.description import describe

    return describe(role=task.ROLE, net=config["net"], **task.facts(data))


def load_model(folder: Path, config: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """Return the model of the run in `folder` with its best weights, ready to predict."""
    import torch

    from quartet_app.run.workers.checkpoints import load_weights

    torch.manual_seed(config["seed"])  # some metrics compare with the untrained model, so the seed must be the same
    model = build_model(config, task, data)
    load_weights(model, folder / "model.safetensors")
    return model.eval()
