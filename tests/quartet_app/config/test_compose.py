"""The compose stage: it resolves params.yaml and conf/ into build/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartet.types import QuartetError
from quartet_app.config.composing import compose
from quartet_app.config.resolved import load_config
from quartet_app.config.table.params import read_params
from quartet_app.config.table.resolve import write_table
from quartet_app.config.table.tuned import conditions

PARAMS = "experiments: [{experiments}]\nseeds: [0]\nprofile: laptop\noverrides: {overrides}\n"


def write(folder: Path, *, experiments: str = "cnn, gan", overrides: str = "{}") -> Path:
    path = folder / "params.yaml"
    path.write_text(PARAMS.format(experiments=experiments, overrides=overrides), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.yaml"))}


def test_each_experiment_becomes_a_resolved_file(tmp_path: Path) -> None:
    written = write_table(write(tmp_path), tmp_path / "build")
    assert set(contents(tmp_path / "build")) == {"cnn.yaml", "gan.yaml", "data/cnn.yaml", "data/gan.yaml"}
    assert len(written) == 4
    assert load_config(tmp_path / "build" / "cnn.yaml") == compose(["experiment=cnn", "profile=laptop"])
    data = load_config(tmp_path / "build" / "data" / "cnn.yaml")
    assert set(data) == {"name", "source"}
    assert data["name"] == "fashion_mnist"


def test_the_same_params_make_the_same_bytes(tmp_path: Path) -> None:
    write_table(write(tmp_path), tmp_path / "one")
    write_table(write(tmp_path), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert b"experiment=cnn profile=laptop" in contents(tmp_path / "one")["cnn.yaml"]


def test_files_of_a_removed_experiment_are_deleted(tmp_path: Path) -> None:
    write_table(write(tmp_path), tmp_path / "build")
    write_table(write(tmp_path, experiments="cnn"), tmp_path / "build")
    assert set(contents(tmp_path / "build")) == {"cnn.yaml", "data/cnn.yaml"}


@pytest.mark.parametrize(
    "overrides",
    ["{cnn: [net.width=24]}", "{cnn: {net.width: 24}}", "{cnn: {net: {width: 24}}}", "{cnn: net.width=24}"],
)
def test_an_override_changes_only_its_own_experiment(tmp_path: Path, overrides: str) -> None:
    write_table(write(tmp_path), tmp_path / "plain")
    write_table(write(tmp_path, overrides=overrides), tmp_path / "changed")
    assert load_config(tmp_path / "changed" / "cnn.yaml")["net"]["width"] == 24
    plain, changed = contents(tmp_path / "plain"), contents(tmp_path / "changed")
    assert [name for name in plain if plain[name] != changed[name]] == ["cnn.yaml"]


def test_a_table_uses_the_values_that_a_sweep_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(write(tmp_path), tmp_path / "without")
    found = tmp_path / "own" / "conf" / "tuned" / "cnn.yaml"
    found.parent.mkdir(parents=True)
    found.write_text("# @package _global_\nnet: {width: 24}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "own")
    write_table(write(tmp_path), tmp_path / "tuned")
    write_table(write(tmp_path, overrides="{cnn: [~tuned]}"), tmp_path / "plain")
    assert load_config(tmp_path / "tuned" / "cnn.yaml")["net"]["width"] == 24
    for folder in ("plain", "without"):
        assert load_config(tmp_path / folder / "cnn.yaml")["net"]["width"] == 16


def test_a_table_says_where_tuned_values_were_found_under_other_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "own" / "conf" / "tuned" / "cnn.yaml"
    found.parent.mkdir(parents=True)
    known = json.dumps(conditions(compose(["experiment=cnn", "profile=laptop"])))
    monkeypatch.chdir(tmp_path / "own")
    found.write_text(f"# @package _global_\n# found with {known}\nnet: {{width: 24}}\n", encoding="utf-8")
    write_table(write(tmp_path), tmp_path / "same")
    assert "found with" not in capsys.readouterr().out
    other = "{cnn: [budget='3 epochs', data.loading.limit_train=50%]}"
    write_table(write(tmp_path, overrides=other), tmp_path / "other")
    budget = json.loads(known)["budget"]
    assert capsys.readouterr().out.splitlines() == [
        f"cnn: tuned=cnn was found with budget {budget}, here 3 epochs, data.loading.limit_train none, here 50%; "
        "~tuned leaves it out"
    ]
    write_table(write(tmp_path, overrides="{cnn: [~tuned, budget='3 epochs']}"), tmp_path / "plain")
    found.write_text("# @package _global_\n# found with {damaged}\nnet: {width: 24}\n", encoding="utf-8")
    write_table(write(tmp_path, overrides=other), tmp_path / "early")
    assert "found with" not in capsys.readouterr().out


def test_overrides_given_as_a_mapping_keep_their_types(tmp_path: Path) -> None:
    overrides = "{cnn: {budget: 3 epochs, optimizer: sgd, optimizer.nesterov: false, method.ema_decay: null}}"
    write_table(write(tmp_path, overrides=overrides), tmp_path / "build")
    config = load_config(tmp_path / "build" / "cnn.yaml")
    assert (config["budget"], config["method"]["ema_decay"]) == ("3 epochs", None)
    assert (config["optimizer"]["_target_"], config["optimizer"]["nesterov"]) == ("torch.optim.SGD", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "experiments: [cnn]\nseeds: [0]\nprofile: laptop\nseed: 1",
            "params.yaml: seed: no such key; did you mean seeds?",
        ),
        ("experiments: [cnn]\nprofile: laptop", "params.yaml: seeds: not given"),
        ("experiments: cnn\nseeds: [0]\nprofile: laptop", "params.yaml: experiments: given 'cnn'"),
        ("experiments: [cn]\nseeds: [0]\nprofile: laptop", "did you mean cnn?"),
        ("experiments: [cnn]\nseeds: [one]\nprofile: laptop", "params.yaml: seeds: given ['one']"),
        ("experiments: [cnn]\nseeds: [1, 1]\nprofile: laptop", "params.yaml: seeds"),
        ("experiments: [cnn]\nseeds: [0]\nprofile: desktop", "params.yaml: profile: desktop"),
        (PARAMS.format(experiments="cnn", overrides="{cn: []}"), "params.yaml: overrides: cn: no such experiment"),
        (PARAMS.format(experiments="cnn", overrides="[net.width=3]"), "params.yaml: overrides: given"),
        (PARAMS.format(experiments="cnn", overrides="{cnn: 3}"), "params.yaml: overrides.cnn: given 3"),
        (PARAMS.format(experiments="cnn", overrides="{cnn: [net.widht=3]}"), "did you mean net.width?"),
        (
            PARAMS.format(experiments="cnn", overrides="{cnn: [net.width=x]}"),
            "params.yaml: overrides.cnn: net.width: given",
        ),
        (
            PARAMS.format(experiments="cnn, gan", overrides="{cnn: [data.source.validation=100]}"),
            "params.yaml: cnn and gan make fashion_mnist in different ways",
        ),
        ("experiments: [cnn", "params.yaml"),
    ],
)
def test_mistakes_name_params_yaml_and_write_nothing(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(QuartetError) as refusal:
        write_table(path, tmp_path / "build")
    assert expected in str(refusal.value)
    assert "params.yaml" in str(refusal.value)
    assert len(str(refusal.value).splitlines()) <= 2
    assert not (tmp_path / "build").exists()


def test_the_shipped_params_are_good() -> None:
    params = read_params(Path(__file__).resolve().parents[3] / "params.yaml")
    assert params.experiments
    assert params.seeds
