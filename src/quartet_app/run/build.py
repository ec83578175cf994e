"""From a resolved config to objects: the only place that instantiates."""

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
    return instantiate(config["data"]["loading"])(folder=folder, seed=config["seed"])


def build_task(config: dict[str, Any]) -> Task:
    return instantiate(config["task"])


def method_class(config: dict[str, Any]) -> type[Method]:
    """Return the class of the method, which builds the model and says which part of it predicts."""
    return get_class(config["method"]["_target_"])


def nets_of(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the nets of a run by their keys, as they stand in its configuration: `net`, and what its method adds."""
    return {"net": config["net"], **{name: config["method"][name] for name in method_class(config).NETS}}


def build_model(config: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """Return the model that the method trains: its net, or several as one, asked the task's question about the data."""
    nets = {name: instantiate(net) for name, net in nets_of(config).items()}
    return method_class(config).build_model(task, nets, data)


def build_method(config: dict[str, Any], data: DataModule) -> Method:
    """Return the LightningModule, its weights drawn by the tree's seed; its clock is the data's too."""
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
    """The same partial without Hydra's check of each call, which in a training step would cost a third of a
    millisecond; what is called was checked when it was instantiated."""
    return partial(deferred.func, *deferred.args, **deferred.keywords)


def describe_model(config: dict[str, Any], task: Task, data: DataModule) -> dict[str, Any]:
    """Return what is written beside the weights, so that predicting needs neither the data nor the configuration."""
    from quartet.description import describe

    return describe(role=task.ROLE, net=config["net"], **task.facts(data))


def load_model(folder: Path, config: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """The chosen weights of the run in `folder`, ready to predict."""
    import torch

    from quartet_app.run.workers.checkpoints import load_weights

    torch.manual_seed(config["seed"])  # the untrained model that some metrics compare with is the one that was trained
    model = build_model(config, task, data)
    load_weights(model, folder / "model.safetensors")
    return model.eval()
