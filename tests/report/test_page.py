"""The page holds what was measured, to the digit, says what is missing, and needs nothing from elsewhere."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from quartet.report import Run, page, results, summary

VOID = {"br", "img", "meta"}
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


@pytest.fixture(scope="module")
def four() -> list[Run]:
    return [run(task) for task in TEST_METRICS]


def test_numbers_are_those_of_the_results_to_the_digit(four: list[Run]) -> None:
    html = page(four)
    text = " ".join(read(html).text)
    for entry in json.loads(json.dumps(results(four))):
        for name, value in entry["metrics"].items():
            assert f'value="{json.dumps(value)}"' in html
            assert name in text
            assert json.dumps(value) in text
        for key in ("parameters", "flops", "samples_seen", "train_seconds"):
            assert f'value="{json.dumps(entry[key])}"' in html
        for key in ("config_hash", "data_digest", "git_commit", "mlflow_run_id"):
            assert f'title="{entry[key]}"' in html
        assert f"dvc repro evaluate@{entry['experiment']}-0" in text
        assert f"python pipelines/train.py experiment={entry['experiment']} seed=0" in text


def test_everything_nests_and_nothing_comes_from_elsewhere(four: list[Run]) -> None:
    html = page(four)
    reader = read(html)
    assert not re.search(r"https?://|url\(|@import", html)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.attributes}
    ids = [attributes["id"] for _, attributes in reader.attributes if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.attributes:
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
        href = attributes.get("href")
        assert href is None or href.removeprefix("#") in ids
        if tag == "img":
            assert attributes.get("alt")


def test_headings_go_down_one_level_at_a_time(four: list[Run]) -> None:
    levels = [int(tag[1]) for tag, _ in read(page(four)).attributes if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_texts_are_escaped(four: list[Run]) -> None:
    html = page(four, title="<Quartet> & co")
    assert "&lt;b&gt;mouse&lt;/b&gt; &amp; sleeps" in html
    assert "&lt;i&gt;bird&lt;/i&gt;" in html
    assert "<i>bird</i>" not in html
    assert "Speichern Sie &lt;es&gt;." in html
    assert "<h1>&lt;Quartet&gt; &amp; co</h1>" in html


def test_evidence_of_every_task_is_shown(four: list[Run]) -> None:
    text = " ".join(read(page(four)).text)
    for said in ("Who is taken for whom", "First-layer kernels", "Feature maps", "Mistakes", "The cat eats", "Es.",
                 "Attention", "nrefs:1|tok:13a", "Painted", "Real", "real to real", "0123456789"):  # fmt: skip
        assert said in text
    assert "missing" not in text


@pytest.mark.parametrize("task", TEST_METRICS)
def test_missing_evidence_is_said(task: str) -> None:
    evaluated = run(task)
    bare = Run(record(task, metrics={}, mlflow_run_id=None, flops=None, train_seconds=float("nan")))
    text = " ".join(read(page([bare])).text)
    assert "not been evaluated" in text
    assert "No learning curves" in text
    assert "not evaluated" in text
    assert "not evaluated" in summary([bare])
    for key in evaluated.arrays:
        arrays = {name: value for name, value in evaluated.arrays.items() if name != key}
        read(page([Run(evaluated.record, evaluated.train, evaluated.val, arrays, evaluated.texts)]))
    for key in evaluated.texts:
        texts = {name: value for name, value in evaluated.texts.items() if name != key}
        read(page([Run(evaluated.record, evaluated.train, evaluated.val, evaluated.arrays, texts)]))


def test_no_runs() -> None:
    assert "No runs." in page([])
    assert results([]) == []
    summary([])


def test_seeds_are_taken_together_as_mean_and_deviation() -> None:
    values = [0.90, 0.92, 0.94]
    runs = [run("classify", seed=seed, metrics={"test/accuracy": value}) for seed, value in enumerate(values)]
    html = page(runs[::-1])
    assert "0.9200 ± 0.0200" in html.replace("<small> ± ", " ± ")
    assert 'title="seed 0: 0.9; seed 1: 0.92; seed 2: 0.94"' in html
    assert "Shown is seed 0, the first of 3." in html
    assert [entry["seed"] for entry in results(runs[::-1])] == [0, 1, 2]
    assert "0.9200 ± 0.0200" in summary(runs)
    assert summary(runs).count("cnn_classify") == 1
    accuracy = re.findall(r"cnn_classify, seed \d, validation", html)
    assert sorted(set(accuracy)) == [f"cnn_classify, seed {seed}, validation" for seed in range(3)]


def test_nets_on_the_same_task_share_tables_and_charts() -> None:
    nets = ("cnn", "rnn", "transformer")
    html = page([run("classify", net=net) for net in nets])
    assert html.count("What is this?") == 1
    assert html.count('aria-label="loss against samples seen"') == 1
    for net in nets:
        assert f'class="line validation {net}"' in html


def test_data_sets_of_one_task_have_charts_of_their_own() -> None:
    html = page([run("classify"), run("classify", experiment="other", data="elsewhere")])
    assert "loss on things against samples seen" in html
    assert "loss on elsewhere against samples seen" in html


def test_sequences_many_classes_and_unknown_tasks() -> None:
    draw = np.random.default_rng(0)
    series = {"mistakes_x": draw.normal(size=(2, 40, 1)).astype(np.float32), "mistakes_true": np.array([0, 1]),
              "mistakes_predicted": np.array([1, 0]), "kernels": draw.normal(size=(4, 1, 5)).astype(np.float32),
              "confusion": np.eye(200, dtype=np.int64)}  # fmt: skip
    html = page([Run(record("classify"), arrays=series)])
    assert "200 classes are too many" in html
    assert "class 0" in html
    unknown = record("classify") | {"task": "dance", "net": "reservoir"}
    assert "dance" in page([Run(unknown, texts={"steps": 3})])


def test_results_hold_the_promised_keys_and_no_nan(four: list[Run]) -> None:
    entry = results([Run(record("classify", metrics={"test/loss": float("nan")}))])[0]
    assert list(entry) == [
        "experiment", "net", "task", "method", "data", "seed", "metrics", "parameters", "flops", "samples_seen",
        "train_seconds", "config_hash", "data_digest", "git_commit", "mlflow_run_id",
    ]  # fmt: skip
    assert entry["metrics"] == {"test/loss": None}
    json.dumps(results(four), allow_nan=False)


def test_the_same_runs_make_the_same_page_and_a_small_one(four: list[Run]) -> None:
    assert page(four) == page(four)
    assert len(page(four)) < 3_000_000
