"""Old and new names of configuration keys: old files still load, and a typed old key gets its new name.

Keys begin at the root of a configuration. The keys of `net` apply to every net in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NET = {"tied": "tie_embeddings", "hidden": "mlp_ratio", "critic_norm": "discriminator_norm"}
SECTIONS = {
    "net": NET,
    "method": {
        "clip": "grad_clip_norm",
        "accumulate": "accumulate_grad_batches",
        "ema": "ema_decay",
        "head_start": "discriminator_warmup_steps",
        "discriminator_steps": "n_critic",
    },
    "method.discriminator": NET,
    "schedule": {"floor": "min_lr_ratio"},
    "task": {"noise": "latent_dim", "beam": "num_beams"},
    "task.judge.net": NET,
}
TARGETS = {"pipelines.launch.Local": "quartet_app.run.workers.launch.Local",
           "pipelines.ray_train.Cluster": "quartet_app.run.workers.ray_train.Cluster"}  # fmt: skip


def new_name(key: str) -> str | None:
    """Return the full new name of `key`, such as net.tie_embeddings for net.tied; None if its name never changed."""
    section, _, name = key.rpartition(".")
    found = SECTIONS.get(section, {}).get(name)
    return None if found is None else f"{section}.{found}"


def upgraded(config: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """Return a copy of `config`, or of a `section` of it, with the new names of all keys and targets."""
    names = SECTIONS.get(section, {})
    found = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            value = upgraded(value, f"{section}.{key}" if section else key)
        elif key == "_target_":
            value = TARGETS.get(value, value)
        found[names.get(key, key)] = value
    return found
