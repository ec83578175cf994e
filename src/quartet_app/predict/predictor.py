"""Load a trained model that is ready to predict: a task's champion, the model of a run, or any model in MLflow.

Reads only `model.json` and `model.safetensors`, and runs no code that is stored with them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from quartet import description, roles
from quartet.tracking.labels import version_alias
from quartet.types import QuartetError
from quartet_app.config.signatures import constants
from quartet_app.config.trust import may_import
from quartet_app.files import read_json
from quartet_app.run.verify import verify_weights

URIS = ("models:/", "runs:/")


def load(role: str, *, source: str | None, data: str | None) -> tuple[Any, dict[str, Any]]:
    """Return the predictor of a model, an object of a class in the role's script, and the model's facts by name.

    Args:
        role: what the model does, as "classify".
        source: a run's folder, or an MLflow URI; None for the champion.
        data: chooses the champion on this data set; None for the champion of the task.

    Raises QuartetError where there is no such model, or where the model has another role.
    """
    if source is not None and not source.startswith(URIS):
        folder = Path(source)
        return from_folder(folder / "train" if (folder / "train").is_dir() else folder, role, name=source)
    from quartet.tracking.model_store import ModelStore

    store = ModelStore()
    uri, tags = (source, {}) if source is not None else champion(store, role, data)
    with tempfile.TemporaryDirectory() as scratch:
        predictor, facts = from_folder(store.fetch(uri, Path(scratch)), role, name=uri)
    return predictor, {**facts, **tags}


def champion(store: Any, role: str, data: str | None) -> tuple[str, dict[str, str]]:
    """Return the URI of the champion of a task, or of a task and `data`, and the tags of its version."""
    name, label = f"quartet-{role.rpartition('.')[2].lower()}", version_alias("champion", data) if data else "champion"
    tags = store.version(name, label)
    if tags is None:
        raise QuartetError(
            f"{name}@{label}: no such model in {store.uri} yet\n"
            "register evaluated runs (quartet compare RUN … --register, or dvc repro), or take any run by --from RUN"
        )
    return f"models:/{name}@{label}", tags


def from_folder(folder: Path, role: str, *, name: str) -> tuple[Any, dict[str, Any]]:
    """Return the predictor and facts of the model in `folder`; see `load`. Messages call the model `name`."""
    if not folder.is_dir():
        raise QuartetError(f"{name}: no such folder; give a run's folder, as runs/cnn-0-…, or {' or '.join(URIS)}…")
    described = description.read(folder)
    if described["role"] != role:
        other = described["role"]
        raise QuartetError(f"{name}: this model is for {other}, not for {role}: quartet predict {other} …")
    facts = read_json(folder / "run.json")
    verify_weights(folder, facts)
    found = roles.find(role)  # the name that a person typed: a file must not decide what is imported
    try:
        predictor = found.predictor(described, found.programs(rebuild(found, described, folder / "model.safetensors")))
    except QuartetError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        raise QuartetError(f"{folder / description.FILE}: not a description of a model: {error!r}") from error
    known: dict[str, Any] = {key: facts[key] for key in ("experiment", "net", "data", "seed") if key in facts}
    return predictor, {"model": name, "described": described, **known}


def rebuild(role: roles.Role, described: dict[str, Any], weights: Path) -> Any:
    """Return the model of a description with its weights, ready to predict on the CPU.

    A faulty description may raise any error.
    """
    from torch import nn

    from quartet_app.run.workers.checkpoints import load_weights

    model = role.rebuild(net_of(described["net"]), described)
    if role.PART is not None:  # a run's file also holds the weights of its other nets
        load_weights(nn.ModuleDict({role.PART: model}), weights, extra_prefix=role.BESIDE)
    else:
        load_weights(model, weights)
    return model.eval().requires_grad_(False)


def net_of(recipe: dict[str, Any]) -> Any:
    """Return the net of a recipe: a family of quartet.nets, or of a package that the project's configuration names.

    Raises QuartetError for any other class, since the recipe comes from a file that need not be trusted.
    """
    from importlib import import_module

    from quartet.nets import Net

    target = recipe["_target_"]
    module, _, name = target.rpartition(".")
    try:
        known = may_import(target, "net") and "ROLES" in constants(target)
        family = getattr(import_module(module), name, None) if known else None
    except ModuleNotFoundError:
        family = None
    if not (isinstance(family, type) and issubclass(family, Net)):
        raise QuartetError(
            f"net: {target}: no such net; a model may name a net of quartet.nets, "
            "or of a package that a _target_ in conf/ names"
        )
    return family(**{key: value for key, value in recipe.items() if key != "_target_"})
