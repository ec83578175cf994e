"""Nets of one size: the width that a number of parameters or of operations asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from running import command, facts, only_run

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.resolved import Config, load_config
from quartet_app.data.prepared import ensure
from quartet_app.run.build import build_data, build_method, build_model, build_task
from quartet_app.run.match import FEW, TOLERANCE, candidate_widths, matched, operations, solve

SIZES = {"cnn": 3e4, "rnn": 1.5e5, "transformer": 2.5e5}  # of experiments: parameters


@pytest.mark.parametrize("net", ["cnn", "rnn", "transformer"])
@pytest.mark.parametrize("experiment", ["cnn", "rnn", "transformer"])
def test_every_family_has_the_parameters_asked_for_in_every_task(
    experiment: str, net: str, small: Callable[..., list[str]], here: Path
) -> None:
    target = SIZES[experiment]
    chosen = [word for word in small(experiment) if not word.startswith("net.")]
    dropped = ["~net.dropout", "+net.dropout=0.0"] if experiment != "cnn" else []
    tree = compose([*chosen, f"net={net}", *dropped, f"match.parameters={target}"])
    found = matched(tree, ensure(tree["data"]))
    assert found["net"]["width"] != tree["net"]["width"]
    assert {**found["net"], **sizing(tree)} == tree["net"]  # nothing else has changed
    assert parameters(found) == pytest.approx(target, rel=TOLERANCE)


@pytest.mark.parametrize("net", ["cnn", "rnn", "transformer"])
@pytest.mark.parametrize("line", ["fashion_mnist", "mnist1d", "shakespeare", "generate"])
def test_operations_of_few_examples_are_those_of_a_whole_batch(
    line: str, net: str, small: Callable[..., list[str]], here: Path
) -> None:
    tree = compose([*small(f"{line}_{net}"), f"data.loading.batch_size={5 * FEW}"])
    folder = ensure(tree["data"])
    data = build_data(tree, folder)
    assert operations(tree, folder, tree["net"]) == build_method(tree, data).count_flops(data.typical_batch())


def sizing(tree: Config) -> Config:
    return {key: tree["net"][key] for key in ("width", "growth", "mlp_ratio") if key in tree["net"]}


def parameters(tree: Config) -> int:
    """Of the model with weights, as training makes it."""
    data = build_data(tree, ensure(tree["data"]))
    return sum(parameter.numel() for parameter in build_model(tree, build_task(tree), data).parameters())


def test_both_players_share_the_parameters(small: Callable[..., list[str]], here: Path) -> None:
    tree = compose([*small("gan"), "match.parameters=60_000"])
    found = matched(tree, ensure(tree["data"]))
    assert parameters(found) == pytest.approx(60_000, rel=TOLERANCE)
    assert found["net"]["width"] != tree["net"]["width"]
    assert found["method"]["discriminator"]["width"] != tree["method"]["discriminator"]["width"]
    with pytest.raises(QuartetError, match="flops: not for several nets"):
        matched(compose([*small("gan"), "match.flops=1e6"]), ensure(tree["data"]))


@pytest.mark.parametrize("net", ["rnn", pytest.param("transformer", marks=pytest.mark.slow)])
def test_a_run_takes_the_operations_asked_for_and_says_its_width(
    net: str, small: Callable[..., list[str]], here: Path
) -> None:
    words = [word for word in small("mnist1d_cnn", steps=2) if not word.startswith("net.")]
    command("train", *words, f"net={net}", "match.flops=8e6", cwd=here)
    run = only_run(here)
    assert facts(run)["flops"] == pytest.approx(8e6, rel=TOLERANCE)
    assert load_config(run / "config.yaml")["match"]["flops"] == 8e6


def test_without_a_wish_nothing_changes(small: Callable[..., list[str]], here: Path) -> None:
    tree = compose(small("cnn"))
    assert matched(tree, here) is tree


def test_what_cannot_be_met_is_refused_with_what_can(small: Callable[..., list[str]], here: Path) -> None:
    data = ensure(compose(small("cnn"))["data"])
    with pytest.raises(QuartetError, match=r"match.parameters: given 100, but CNN can have \d+"):
        matched(compose([*small("cnn"), "match.parameters=100"]), data)
    with pytest.raises(QuartetError, match="give one of them"):
        check(compose([*small("cnn"), "match.parameters=1e5", "match.flops=1e6"]))
    with pytest.raises(QuartetError, match=r"net\.stages=6"):  # no width would help
        matched(compose([*small("cnn"), "net.stages=6", "match.parameters=1e5"]), data)


def test_the_widths_tried_are_possible_and_lie_around_the_wish() -> None:
    def log_error(width: int) -> float | None:
        return None if width % 16 else width / 100 - 1

    assert candidate_widths(log_error) == [64, 80, 96, 112, 128, 144]


def test_the_fine_setting_closes_the_gap_between_two_widths() -> None:
    net = {"_target_": "quartet.nets.Transformer", "width": 8, "mlp_ratio": 4.0}
    found = solve(net, lambda one: float(one["width"] * round(100 * one["mlp_ratio"])), 9_000, "match.parameters")
    assert found["width"] * 100 * found["mlp_ratio"] == pytest.approx(9_000, rel=TOLERANCE)
    assert found["mlp_ratio"] != 4.0


def test_what_is_four_per_cent_off_is_not_of_one_size() -> None:
    net = {"_target_": "quartet.nets.CNN", "width": 12, "growth": 2.0}

    def size(one: Config) -> float:
        return 100.0 * one["width"]  # which no fine setting changes

    with pytest.raises(QuartetError, match="given 1250, but CNN can have 1000 or 1100 or 1200 or 1300"):
        solve(net, size, 1250, "match.parameters")
    assert solve(net, size, 1220, "match.parameters")["width"] == 12
    assert solve({**net, "width": 13}, size, 1220, "match.parameters")["width"] == 12
