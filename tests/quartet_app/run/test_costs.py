"""Test the measuring of what serving costs: each role's model, requests, and what cannot be measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from running import only_run

from quartet import cost, description
from quartet.types import QuartetError
from quartet_app.config.composing import compose
from quartet_app.run import costs
from quartet_app.run.evaluate import evaluate
from quartet_app.run.results import load_run
from quartet_app.run.train import train

Small = Callable[..., list[str]]
NUMBERS = ("latency_ms_1", "latency_ms_1_p90", "latency_ms_64", "latency_ms_64_p90", "throughput_64", "bytes")


@pytest.mark.parametrize(
    "experiment",
    ["cnn", "mnist1d_rnn", "rnn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("transformer", "gan"))],
)
def test_an_evaluation_says_what_serving_each_role_costs(experiment: str, small: Small, here: Path) -> None:
    train(compose(small(experiment)))
    folder, out = only_run(here), here / "evaluated"
    evaluate(folder, out=out)
    found = json.loads((out / "cost.json").read_text())
    assert "left_out" not in found, found
    assert all(found[name] > 0 for name in NUMBERS)
    assert found["latency_ms_1"] <= found["latency_ms_1_p90"]
    assert found["throughput_64"] == pytest.approx(64_000 / found["latency_ms_64"])
    assert found["threads"] == torch.get_num_threads()
    assert {"processor", "cores", "load", "busy"} <= found.keys()
    assert found["bytes"] > (folder / "model.safetensors").stat().st_size / 4  # a GAN serves one of its nets
    run = load_run(folder, out)
    assert run["latency_ms_1"] == found["latency_ms_1"]
    assert run["cost"] == found
    (out / "cost.json").unlink()  # as an evaluation of an early version
    assert load_run(folder, out)["latency_ms_1"] is None
    (out / "cost.json").write_text("{")
    with pytest.raises(QuartetError, match=r"cost\.json: damaged"):
        load_run(folder, out)


def test_costs_can_be_left_out(small: Small, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(compose(small("cnn")))
    folder = only_run(here)
    evaluate(folder, out=here / "a", costs=False)
    monkeypatch.setenv("QUARTET_COSTS", "0")
    evaluate(folder, out=here / "b")
    for name in "ab":
        assert json.loads((here / name / "cost.json").read_text()) == {"left_out": "not asked for"}
    monkeypatch.setenv("QUARTET_COSTS", "maybe")
    with pytest.raises(QuartetError, match="QUARTET_COSTS: given 'maybe'; 0 leaves"):
        evaluate(folder, out=here / "c")
    assert not (here / "c").exists()


class Untraceable(torch.nn.Module):
    """A net of one's own that decides by values, which torch.export cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).float()[:, :2] * (2 if x.float().mean() > 3 else 1)


def test_a_net_that_cannot_be_exported_has_no_costs_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = {"role": "classify", "net": {}, "dtype": "uint8", "shape": [4, 4, 1], "classes": ["a", "b"]}
    (tmp_path / description.FILE).write_text(json.dumps(described))
    found = costs.costs_of(tmp_path, Untraceable(), measures=True)
    assert found.keys() == {"left_out"}
    assert "torch.export cannot follow Untraceable" in found["left_out"]
    assert "was not measured: export:" in capsys.readouterr().err
    missing = costs.costs_of(tmp_path / "none", Untraceable(), measures=True)  # a run of before model.json
    assert "no model to predict with" in missing["left_out"]


def test_a_request_has_as_many_examples_as_asked_for() -> None:
    from quartet import roles

    series = {"dtype": "float32", "shape": [40, 1], "inputs": {"length": 40, "channels": 1}}
    assert cost.request(roles.find("classify").script(series), series, 64).shape == (64, 40)
    texts = {"inputs": {"vocabulary": 300, "context": 12}, "example": ["a", "b", "c"]}
    for role in ("translate", "classify"):
        sentences = cost.request(roles.find(role).script(texts), texts, 64)
        assert sentences[:4] == ["a", "b", "c", "a"]
        assert len(sentences) == 64
    assert cost.request(roles.find("generate").script({}), {}, 64).tolist() == [64]


@pytest.mark.parametrize("example", [[], np.zeros(0), "text", None])
def test_an_example_that_cannot_be_repeated_is_refused(example: Any) -> None:
    script = SimpleNamespace(__name__="mine.serving", example=lambda described: example)
    with pytest.raises(QuartetError, match=r"mine\.serving: its example"):
        cost.request(script, {}, 64)


@pytest.mark.parametrize(("seconds", "times"), [(0.001, 10), (0.3, 1), (2.0, 1)])
def test_a_slow_model_is_asked_less_often(seconds: float, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def predict(context: Any, asked: Any) -> None:
        clock[0] += seconds

    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    taken = cost._times(SimpleNamespace(predict=predict), [0])
    assert len(taken) >= times
    assert taken == pytest.approx([seconds] * len(taken))
    assert clock[0] <= max(2 * seconds, 2 * cost.SECONDS) + 1e-9


@pytest.mark.parametrize(("seconds", "asked"), [(0.001, 64), (0.05, 8), (0.4, 1)])
def test_a_batch_that_takes_too_long_is_reckoned_from_a_smaller_one(
    seconds: float, asked: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, sizes = [0.0], []

    def predict(context: Any, batch: list[str]) -> None:
        clock[0] += seconds * len(batch)
        sizes.append(len(batch))

    script = SimpleNamespace(__name__="script", example=lambda described: ["a"])
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(cost, "export", lambda model, described, folder: folder)
    monkeypatch.setattr(cost, "_predictor", lambda described, folder: (SimpleNamespace(predict=predict), script))
    found = cost.serving_cost(torch.nn.Identity(), {})
    assert found["latency_ms_64_of"] == asked == sizes[-1]
    assert found["latency_ms_64"] == pytest.approx(64_000 * seconds)
    assert found["throughput_64"] == pytest.approx(1 / seconds)


def test_a_busy_machine_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quartet.cost.serving_cost", lambda model, described: {"bytes": 1})
    described = {"role": "classify", "net": {}, "dtype": "uint8", "shape": [4, 4, 1], "classes": ["a", "b"]}
    (tmp_path / description.FILE).write_text(json.dumps(described))
    for load, busy in ((costs.cores() + 1.0, True), (costs.cores() - 0.5, False)):
        monkeypatch.setattr(costs.os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        assert costs.costs_of(tmp_path, Untraceable(), measures=True)["busy"] is busy
    monkeypatch.delattr(costs.os, "getloadavg", raising=False)  # as on Windows
    assert costs.costs_of(tmp_path, Untraceable(), measures=True)["busy"] is False
