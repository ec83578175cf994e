"""Which file or override gave a key its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartet.types import QuartetError
from quartet_app.commands.train import explained
from quartet_app.config.composing import compose
from quartet_app.config.origin import COMMAND_LINE, explain_keys, files, layers
from quartet_app.config.resolved import save_config


def places(arguments: list[str], key: str) -> list[tuple[str, object]]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = OverridesParser.create().parse_overrides(arguments)
    return [(layer.place, layer.value) for layer in layers(key, list(files(arguments)), overrides)]


def test_later_layers_win_in_the_order_of_composition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "conf"
    (own / "tuned").mkdir(parents=True)
    (own / "tuned" / "cnn.yaml").write_text("# @package _global_\noptimizer:\n  lr: 0.31\n")
    (own / "sweep").mkdir()
    (own / "sweep" / "mine.yaml").write_text("# @package _global_\noptimizer:\n  lr: 0.32\n")
    (own / "profile" / "laptop").mkdir(parents=True)
    (own / "profile" / "laptop" / "cnn.yaml").write_text("# @package _global_\noptimizer:\n  lr: 0.3\n")
    monkeypatch.chdir(tmp_path)
    arguments = ["experiment=cnn", "tuned=cnn", "sweep=mine", "optimizer.lr=0.4"]
    assert places(arguments, "optimizer.lr") == [
        ("conf/optimizer/sgd.yaml", 0.1),
        ("conf/experiment/cnn.yaml", 0.2),
        ("conf/profile/laptop/cnn.yaml", 0.3),
        ("conf/tuned/cnn.yaml", 0.31),
        ("conf/sweep/mine.yaml", 0.32),
        (COMMAND_LINE, 0.4),
    ]
    assert compose(arguments)["optimizer"]["lr"] == 0.4
    for left_out, winner in ((1, 0.32), (2, 0.31), (3, 0.3)):
        assert compose(arguments[:-left_out])["optimizer"]["lr"] == winner


@pytest.mark.parametrize("experiment", ["cnn", "rnn", "transformer", "gan", "mnist1d_mlp"])
def test_the_last_layer_has_the_value_that_runs(experiment: str) -> None:
    arguments = [f"experiment={experiment}", "seed=3"]
    config = compose(arguments)
    for key in ("seed", "budget", "net.dropout", "optimizer.lr", "schedule.warmup", "method.ema_decay"):
        value: object = config
        for part in key.split("."):
            value = value[part]  # type: ignore[index]
        assert places(arguments, key)[-1][1] == value, key


def test_a_section_is_explained_leaf_by_leaf_and_a_nested_net_by_its_own_file() -> None:
    said = explain_keys(["experiment=gan"], ["schedule", "method.discriminator.pool"])
    assert (
        "schedule.min_lr_ratio: 0.05\n  conf/schedule/linear.yaml  0.0\n  conf/experiment/gan.yaml   0.05   ← wins"
        in said
    )
    assert "method.discriminator.pool: stride\n  conf/net/cnn.yaml         average" in said


def test_a_resolved_file_is_one_layer(tmp_path: Path) -> None:
    save_config(compose(["experiment=cnn"]), tmp_path / "cnn.yaml")
    said = explain_keys([str(tmp_path / "cnn.yaml"), "seed=2"], ["seed"])
    assert said.splitlines()[0] == "seed: 2"
    assert said.splitlines()[-1].endswith("2   ← wins")


def test_an_unknown_key_is_refused_with_a_near_one() -> None:
    with pytest.raises(QuartetError, match=r"net\.widht: no such key; did you mean net\.width\?"):
        explain_keys(["experiment=cnn"], ["net.widht"])


def test_the_flag_may_stand_anywhere_and_needs_a_key() -> None:
    words = ["experiment=cnn", "--explain", "seed", "net.width=8", "--explain=net.width"]
    assert explained(words) == (["seed", "net.width"], ["experiment=cnn", "net.width=8"])
    with pytest.raises(QuartetError, match="no key given"):
        explained(["experiment=cnn", "--explain"])
    with pytest.raises(QuartetError, match="leave out -m"):
        explained(["-m", "--explain", "seed"])
