"""From a resolved tree to objects: the only place that instantiates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate

from quartet.budget import Budget

if TYPE_CHECKING:
    from torch import nn

    from quartet.data import DataModule
    from quartet.methods.method import Method
    from quartet.tasks import Task


def build_data(tree: dict[str, Any], folder: Path) -> DataModule:
    return instantiate(tree["data"]["loading"])(folder=folder, seed=tree["seed"])


def build_task(tree: dict[str, Any]) -> Task:
    return instantiate(tree["task"])


def build_model(tree: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """The net that answers the task's question about the data; for adversarial training, both players."""
    net = instantiate(tree["net"])
    from quartet.methods.adversarial import Players
    from quartet.tasks import Generate

    if not isinstance(task, Generate):
        return task.build(net, data)

    rival = instantiate(tree["method"]["discriminator"])
    return Players(task.build(net, data), task.build_rival(rival, data))


def build_method(tree: dict[str, Any], data: DataModule) -> Method:
    """The LightningModule, its weights drawn by the tree's seed."""
    import torch

    torch.manual_seed(tree["seed"])
    task = build_task(tree)
    model = build_model(tree, task, data)
    options = {key: value for key, value in tree["method"].items() if key != "discriminator"}
    return instantiate(options)(
        task=task,
        model=model,
        budget=Budget.parse(tree["budget"]),
        validate_every=Budget.parse(tree["validate_every"], key="validate_every"),
        samples_per_epoch=data.examples["train"],
        optimizer=instantiate(tree["optimizer"]),
        schedule=unchecked(instantiate(tree["schedule"])),
        seed=tree["seed"],
    )


def unchecked(deferred: partial[float]) -> partial[float]:
    """The same partial without Hydra's check of each call, which in a training step would cost a third of a
    millisecond; what is called was checked when it was instantiated."""
    return partial(deferred.func, *deferred.args, **deferred.keywords)


def describe_model(tree: dict[str, Any], task: Task, data: DataModule) -> dict[str, Any]:
    """What is written beside the weights, so that predicting needs neither the data nor the configuration."""
    from quartet.description import describe
    from quartet.tasks import Generate

    generates = isinstance(task, Generate)
    return describe(
        role=task.ROLE,  # type: ignore[arg-type]
        net=tree["net"],
        inputs=None if generates else data.inputs,
        outputs=data.inputs if generates else data.outputs,  # type: ignore[arg-type]
        noise=task.noise if isinstance(task, Generate) else None,
        tokenizer=data.folder / "tokenizer.json" if data.kind in ("text", "pairs") else None,
        params=task.decoding,
    )


def load_model(folder: Path, tree: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """The chosen weights of the run in `folder`, ready to predict."""
    import torch

    from quartet_app.run.checkpoints import load_weights

    torch.manual_seed(tree["seed"])  # the untrained model that some metrics compare with is the one that was trained
    model = build_model(tree, task, data)
    load_weights(model, folder / "model.safetensors")
    return model.eval()
