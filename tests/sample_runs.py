"""Runs as the report sees them, with evidence of every task, and a reader of its page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np

from quartet.report import Run

VOID = {"br", "img", "meta", "wbr"}
TEST_METRICS = {
    "classify": {"test/accuracy": 0.9312345678, "test/loss": 0.2123456789},
    "language": {"test/bits_per_character": 2.0512345678, "test/loss": 4.0123},
    "translate": {"test/bleu": 23.412345678, "test/chrf": 50.9},
    "generate": {"test/fid": 31.212345678, "test/fid_untrained": 612.25, "test/fid_floor": 1.83},
}


def record(task: str, *, seed: int = 0, net: str = "cnn", experiment: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "experiment": experiment or f"{net}_{task}", "net": net, "task": task, "method": "supervised", "data": "things",
        "seed": seed, "metrics": dict(TEST_METRICS[task]), "parameters": 117322, "flops": 24300000.5,
        "samples_seen": 540000, "train_seconds": 212.25, "config_hash": "c0ffee" * 6, "data_digest": "d1ce" * 16,
        "git_commit": "abcdef0123" * 4, "mlflow_run_id": "a1b2c3d4" * 4, "monitor": "val/loss", "mode": "min",
        "config": {"seed": seed},
    } | changes  # fmt: skip


def curve(key: str, low: float) -> list[dict[str, float]]:
    return [{"samples": 1000.0 * i, key: low + 2.0 / i, "lr": 1e-3} for i in range(1, 40)]


def evidence(task: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    draw = np.random.default_rng(0)

    def pictures(*shape: int) -> np.ndarray:
        return draw.integers(0, 256, shape).astype(np.uint8)

    if task == "classify":
        arrays = {
            "confusion": np.array([[8, 2], [1, 9]]), "calibration": np.array([[0, 0, 0], [5, 0.6, 0.5], [9, 0.9, 1]]),
            "mistakes_x": pictures(3, 6, 6, 1), "mistakes_true": np.array([0, 0, 1]),
            "mistakes_predicted": np.array([1, 1, 0]), "mistakes_confidence": np.array([0.99, 0.9, 0.8], np.float32),
            "kernels": draw.normal(size=(4, 1, 3, 3)).astype(np.float32), "maps_x": pictures(2, 6, 6, 1),
            "maps": draw.normal(size=(2, 4, 6, 6)).astype(np.float32),
        }  # fmt: skip
        return arrays, {"classes": ["cat & dog", "<i>bird</i>"]}
    if task == "language":
        completions = [{"prompt": "The cat eats", "continuation": " the <b>mouse</b> & sleeps"}]
        return {}, {"completions": completions, "sampling": {"temperature": 0.8, "top_p": 0.95}}
    if task == "translate":
        pair = {"source": "Save it.", "reference": "Speichern.", "beam": "Speichern Sie <es>.", "greedy": "Es."}
        tokens = {"source_tokens": ["Save", "it", "$"], "target_tokens": ["Speichern", "."]}
        texts = {
            "translations": [pair],
            "attention": [tokens],
            "bleu_signature": "nrefs:1|tok:13a",
            "search": {"beam": 4},
        }
        return {"attention_0": np.full((2, 2, 3), 1 / 3, np.float32)}, texts
    arrays = {
        "samples": pictures(64, 6, 6, 1), "reals": pictures(64, 6, 6, 1), "interpolation": pictures(8, 10, 6, 6, 1),
        "neighbours_x": pictures(8, 6, 6, 1), "neighbours": pictures(8, 6, 6, 1), "class_counts": np.array([3, 5]),
    }  # fmt: skip
    return arrays, {
        "classes": ["cat", "dog"],
        "judge": {"digest": "0123456789abcdef"},
        "fid": {"samples": 8, "reals": 8},
    }


def run(task: str, **changes: Any) -> Run:
    arrays, texts = evidence(task)
    return Run(record(task, **changes), curve("loss", 0.2), curve("loss", 0.3)[::5], arrays, texts)


class Reader(HTMLParser):
    """Reads a page and insists that its elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader
