"""From a resolved config to objects: the only place that instantiates."""

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


def build_data(config: dict[str, Any], folder: Path) -> DataModule:
    return instantiate(config["data"]["loading"])(folder=folder, seed=config["seed"])


def build_task(config: dict[str, Any]) -> Task:
    return instantiate(config["task"])


def build_model(config: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """The net that answers the task's question about the data; for adversarial training, both players."""
    net = instantiate(config["net"])
    from quartet.methods.adversarial import GAN
    from quartet.tasks import Generate

    if not isinstance(task, Generate):
        return task.build(net, data)

    discriminator = instantiate(config["method"]["discriminator"])
    return GAN(task.build(net, data), task.build_discriminator(discriminator, data))


def build_method(config: dict[str, Any], data: DataModule) -> Method:
    """The LightningModule, its weights drawn by the tree's seed."""
    import torch

    torch.manual_seed(config["seed"])
    task = build_task(config)
    model = build_model(config, task, data)
    options = {key: value for key, value in config["method"].items() if key != "discriminator"}
    return instantiate(options)(
        task=task,
        model=model,
        budget=Budget.parse(config["budget"]),
        validate_every=Budget.parse(config["validate_every"], key="validate_every"),
        samples_per_epoch=data.examples["train"],
        optimizer=instantiate(config["optimizer"]),
        schedule=unchecked(instantiate(config["schedule"])),
        seed=config["seed"],
    )


def unchecked(deferred: partial[float]) -> partial[float]:
    """The same partial without Hydra's check of each call, which in a training step would cost a third of a
    millisecond; what is called was checked when it was instantiated."""
    return partial(deferred.func, *deferred.args, **deferred.keywords)


def describe_model(config: dict[str, Any], task: Task, data: DataModule) -> dict[str, Any]:
    """What is written beside the weights, so that predicting needs neither the data nor the configuration."""
    from quartet.description import describe
    from quartet.tasks import Generate

    generates = isinstance(task, Generate)
    return describe(
        role=task.ROLE,  # type: ignore[arg-type]
        net=config["net"],
        inputs=None if generates else data.inputs,
        outputs=data.inputs if generates else data.outputs,  # type: ignore[arg-type]
        latent_dim=task.latent_dim if isinstance(task, Generate) else None,
        tokenizer=data.kind.tokenizer,
        params=task.decoding,
    )


def load_model(folder: Path, config: dict[str, Any], task: Task, data: DataModule) -> nn.Module:
    """The chosen weights of the run in `folder`, ready to predict."""
    import torch

    from quartet_app.run.checkpoints import load_weights

    torch.manual_seed(config["seed"])  # the untrained model that some metrics compare with is the one that was trained
    model = build_model(config, task, data)
    load_weights(model, folder / "model.safetensors")
    return model.eval()
