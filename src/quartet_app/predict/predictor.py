"""A trained model ready to predict: the champion of its task, a run's, or any that MLflow holds.

Made of `model.json` and `model.safetensors` alone, by this code: nothing that lies beside them is run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from quartet import description, roles
from quartet.tracking.labels import version_alias
from quartet.types import QuartetError
from quartet_app.config.own_code import named_packages
from quartet_app.config.signatures import signature
from quartet_app.files import read_json

URIS = ("models:/", "runs:/")


def load(role: str, *, source: str | None, data: str | None) -> tuple[Any, dict[str, Any]]:
    """What predicts in `role` (a class of the role's script), and what is known of its model.

    Args:
        source: a run's folder, or an MLflow uri; None for the champion.
        data: the champion on this data set.

    Raises QuartetError where there is no such model, and for one of another role.
    """
    if source is not None and not source.startswith(URIS):
        folder = Path(source)
        return from_folder(folder / "train" if (folder / "train").is_dir() else folder, role, name=source)
    from quartet.tracking.model_store import ModelStore

    store = ModelStore()
    uri, known = (source, {}) if source is not None else champion(store, role, data)
    with tempfile.TemporaryDirectory() as place:
        predictor, facts = from_folder(store.fetch(uri, Path(place)), role, name=uri)
    return predictor, {**facts, **known}


def champion(store: Any, role: str, data: str | None) -> tuple[str, dict[str, str]]:
    """The uri of the best model of a task, on `data` if given, and its version's tags."""
    name, called = f"quartet-{role.rpartition('.')[2].lower()}", version_alias("champion", data) if data else "champion"
    known = store.version(name, called)
    if known is None:
        raise QuartetError(
            f"{name}@{called}: no such model in {store.uri} yet\n"
            "quartet compare RUN … --register, as in dvc repro, makes one of evaluated runs; --from RUN takes any run"
        )
    return f"models:/{name}@{called}", known


def from_folder(folder: Path, role: str, *, name: str) -> tuple[Any, dict[str, Any]]:
    """The same of a folder with model.json and model.safetensors. `name` is what a person calls it."""
    if not folder.is_dir():
        raise QuartetError(f"{name}: no such folder; give a run's, as runs/cnn-0-…, or {' or '.join(URIS)}…")
    described = description.read(folder)
    if described["role"] != role:
        other = described["role"]
        raise QuartetError(f"{name}: this model is for {other}, not for {role}: quartet predict {other} …")
    asked = roles.find(role)  # as a person typed it: no file names what is imported
    try:
        made = asked.predictor(described, asked.programs(rebuild(asked, described, folder / "model.safetensors")))
    except QuartetError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        raise QuartetError(f"{folder / description.FILE}: not a description of a model: {error!r}") from error
    facts = read_json(folder / "run.json")
    known: dict[str, Any] = {key: facts[key] for key in ("experiment", "net", "data", "seed") if key in facts}
    return made, {"model": name, "described": described, **known}


def rebuild(role: roles.Role, described: dict[str, Any], weights: Path) -> Any:
    """The model that is `described`, with its weights, ready to predict on the CPU. Raises whatever a description that
    is none leads to."""
    from torch import nn

    from quartet_app.run.workers.checkpoints import load_weights

    model = role.rebuild(net_of(described["net"]), described)
    if role.PART is not None:  # a run keeps the other nets too
        load_weights(nn.ModuleDict({role.PART: model}), weights, beside=role.BESIDE)
    else:
        load_weights(model, weights)
    return model.eval().requires_grad_(False)


def net_of(recipe: dict[str, Any]) -> Any:
    """The recipe's net. A file may name a net of quartet.nets, or of a package that the user's own `conf/` names."""
    from importlib import import_module

    from quartet.nets import Net

    module, _, name = recipe["_target_"].rpartition(".")
    ours = module == "quartet.nets" or module.startswith("quartet.nets.")
    try:
        family = getattr(import_module(module), name, None) if ours or is_own_net(recipe["_target_"]) else None
    except ModuleNotFoundError:
        family = None
    if not (isinstance(family, type) and issubclass(family, Net)):
        raise QuartetError(
            f"net: {recipe['_target_']}: no such net; a model names a family of quartet.nets, "
            "or of a package that a _target_ of conf/ names"
        )
    return family(**{key: value for key, value in recipe.items() if key != "_target_"})


def is_own_net(target: str) -> bool:
    """Whether a file may have this imported: its package is named in conf/, and its source says that it is a net."""
    made = signature(target) if target.partition(".")[0] in named_packages() else None
    return made is not None and "ROLES" in made.constants
