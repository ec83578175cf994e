"""The shipped conf/: every experiment composes and passes the check, and every `_target_` exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose, compose_group
from quartet_app.config.options import groups, headline, option_files, options
from quartet_app.config.project import CONF
from quartet_app.config.resolved import Config, config_hash, load_config, override_config, save_config
from quartet_app.config.signatures import signature

FILES = sorted(CONF.rglob("*.yaml"))


def overrides_for(experiment: str, *more: str) -> list[str]:
    own = ["data.source.folder=somewhere"] if experiment.startswith("own_") else []
    if experiment.startswith(("own_series", "own_labelled")):
        own = ["data.source.file=somewhere"]
    return [f"experiment={experiment}", *own, *more]


@pytest.fixture(scope="module")
def cnn() -> Config:
    return compose(["experiment=cnn"])


@pytest.mark.parametrize("profile", options("profile"))
@pytest.mark.parametrize("experiment", option_files("experiment"))
def test_every_experiment_composes_and_passes_the_check(experiment: str, profile: str) -> None:
    config = compose(overrides_for(experiment, f"profile={profile}"))
    check(config)
    assert (config["experiment"], config["profile"]) == (experiment, profile)
    assert "${" not in str(config)
    assert "???" not in str(config)


@pytest.mark.parametrize("group", sorted({*groups()} - {"experiment", "profile", "sweep", "tuned"}))
def test_every_option_of_every_group_composes(group: str) -> None:
    assert options(group)
    for option in options(group):
        missing = OmegaConf.missing_keys(OmegaConf.load(CONF / group / f"{option}.yaml"))
        required = [f"{group}.{key}=somewhere" for key in missing]
        compose([f"experiment={'gan' if option == 'adversarial' else 'cnn'}", f"{group}={option}", *required])


def test_a_group_can_be_composed_alone() -> None:
    assert compose_group("data", "mnist1d") == compose(["experiment=mnist1d_cnn"])["data"]
    with pytest.raises(QuartetError, match="did you mean data=mnist1d"):
        compose_group("data", "mnist1")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_target_exists_and_no_file_uses_hydra_interpolations(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"_target_:\s*([\w.]+)", text):
        assert signature(target) is not None, target
    before_hydra = text.partition("\nhydra:")[0]
    assert "${hydra" not in before_hydra


@pytest.mark.parametrize("experiment", option_files("experiment"))
def test_an_experiment_file_begins_with_headline_command_hardware_and_expected_result(experiment: str) -> None:
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8")
    header = text.partition("\ndefaults:")[0]
    assert all(line.startswith("#") for line in header.splitlines())
    assert re.search(rf"# command: +quartet train experiment={experiment}\b", header)
    assert "# hardware:" in header
    assert "# expected:" in header
    assert len(headline("experiment", experiment)) > 20


def test_every_overlay_belongs_to_an_experiment() -> None:
    for path in (CONF / "profile").glob("*/*.yaml"):
        assert path.parent.name in options("profile")
        assert path.stem in options("experiment")


def test_later_wins_group_experiment_profile_overlay_command_line() -> None:
    laptop, full = compose(["experiment=cnn"]), compose(["experiment=cnn", "profile=full"])
    overlay = load_config(CONF / "profile" / "full" / "cnn.yaml")
    assert laptop["optimizer"]["lr"] != load_config(CONF / "optimizer" / "adamw.yaml")["lr"]  # the experiment's own
    assert full["budget"] == overlay["budget"] != laptop["budget"]
    assert (laptop["trainer"]["precision"], full["trainer"]["precision"]) == ("32-true", "bf16-mixed")
    overridden = compose(["experiment=cnn", "profile=full", "budget=5 steps", "trainer.precision=64-true"])
    assert (overridden["budget"], overridden["trainer"]["precision"]) == ("5 steps", "64-true")


def test_the_discriminator_is_any_net() -> None:
    config = compose(["experiment=gan", "net@method.discriminator=transformer"])
    assert config["method"]["discriminator"]["_target_"] == "quartet.nets.Transformer"
    assert config["net"]["_target_"] == "quartet.nets.CNN"


def test_a_config_is_read_back_as_it_was_written(cnn: Config, tmp_path: Path) -> None:
    config = {
        **cnn,
        "odd": {"text": "1e5", "float": 1e-8, "none": None, "list": [1, 2.5, "3", "off", True], "é": "ü: #"},
    }
    path = tmp_path / "deep" / "config.yaml"
    save_config(config, path, header=["why", "how"])
    assert load_config(path) == config
    first = path.read_bytes()
    save_config(load_config(path), path, header=["why", "how"])
    assert path.read_bytes() == first


def test_override_config_leaves_the_given_config_unchanged(cnn: Config) -> None:
    other = override_config(cnn, ["seed=7", "net.width=24", "budget=10 steps"])
    assert (other["seed"], other["net"]["width"], other["budget"]) == (7, 24, "10 steps")
    assert cnn["seed"] == 0


def test_the_hash_depends_on_what_is_computed_alone(cnn: Config) -> None:
    def hash_with(*overrides: str) -> str:
        return config_hash(compose(["experiment=cnn", *overrides]))

    same = config_hash(cnn)
    assert re.fullmatch(r"[0-9a-f]{64}", same)
    assert config_hash(reordered(cnn)) == same
    for shown in ("tracking=none", "trainer.progress=false", "launcher=ray", "data.source.mirror=/elsewhere"):
        assert hash_with(shown) == same, shown
    for computed in ("seed=1", "net.width=33", "optimizer.lr=0.0041", "trainer.precision=bf16-mixed", "budget=9 steps"):
        assert hash_with(computed) != same, computed


def reordered(node: Any) -> Any:
    return {key: reordered(node[key]) for key in reversed(node)} if isinstance(node, dict) else node
