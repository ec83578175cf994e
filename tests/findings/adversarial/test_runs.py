"""The runs that conf/finding names are what the measurements say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.project import CONF
from quartet_app.config.resolved import Config

FILES = sorted((CONF / "finding").glob("G*.yaml"))


def runs(path: Path) -> dict[str, Config]:
    """The composed configurations of a finding's runs, by their names."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())["runs"]
    return {
        name: compose(
            [f"experiment={run['experiment']}", *(f"{key}={value}" for key, value in run.get("overrides", {}).items())]
        )
        for name, run in found.items()
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_run_passes_the_check(path: Path) -> None:
    for config in runs(path).values():
        check(config)


def test_the_pairs_are_of_the_kinds_in_their_names() -> None:
    crossed = runs(CONF / "finding" / "G1.yaml")
    assert len(crossed) == 9
    for name, config in crossed.items():
        kinds = [
            net["_target_"].rpartition(".")[2].lower() for net in (config["net"], config["method"]["discriminator"])
        ]
        assert name == "_".join(kinds)
        assert config["budget"] == "24_000 samples"


def test_a_head_start_is_given_on_top_of_the_generators_training() -> None:
    started = runs(CONF / "finding" / "G3.yaml")
    steps = yaml.safe_load((CONF / "finding" / "G3.yaml").read_text())["measure"]["steps"]
    assert set(started) == set(steps)
    for name, config in started.items():
        ahead = config["method"]["discriminator_warmup_steps"]
        assert ahead == steps[name]
        samples = int(config["budget"].removesuffix(" samples").replace("_", ""))
        assert samples == 48_000 + ahead * config["data"]["loading"]["batch_size"]


def test_the_stopped_run_differs_from_the_whole_in_the_rule_alone() -> None:
    ended = runs(CONF / "finding" / "G4.yaml")
    measure = yaml.safe_load((CONF / "finding" / "G4.yaml").read_text())["measure"]
    rule = ended["stopped"]["method"].pop("stop")
    assert ended["whole"]["method"].pop("stop")["rule"] == "none"
    assert ended["stopped"] == ended["whole"]
    assert (rule["rule"], rule["tolerance"]) == ("half_fooled", measure["tolerance"])
    assert rule["patience"] == measure["patience"]


def test_one_pair_serves_four_findings() -> None:
    named = {"G2": "pair", "G3": "none", "G4": "whole", "G5": "pair"}
    first, *others = (runs(CONF / "finding" / f"{finding}.yaml")[name] for finding, name in named.items())
    assert all(other == first for other in others)
