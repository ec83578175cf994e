"""Test that the page has the exact numbers, notes on missing evidence, and no external resources."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest
from sample_runs import TEST_METRICS, evidence, read, record, run

from quartet.report import Run, page, results, summary


@pytest.fixture(scope="module")
def four() -> list[Run]:
    return [run(task) for task in TEST_METRICS]


def test_the_page_has_the_exact_numbers_of_results_json(four: list[Run]) -> None:
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

    typed = "quartet train experiment=cnn net.width=8"
    by_hand = " ".join(read(page([run("classify", command=typed)])).text)
    assert typed in by_hand
    assert "dvc repro" not in by_hand


def test_elements_nest_and_no_resource_is_external(four: list[Run]) -> None:
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
def test_missing_evidence_has_a_note(task: str) -> None:
    evaluated = run(task)
    bare = Run(record(task, metrics={}, mlflow_run_id=None, flops=None, train_seconds=float("nan")))
    text = " ".join(read(page([bare])).text)
    assert "not been evaluated" in text
    assert "No learning curves" in text
    assert "not evaluated" in text
    assert "was read" not in text
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


def test_seeds_are_summarised_as_mean_and_deviation() -> None:
    values = [0.90, 0.92, 0.94]
    runs = [run("classify", seed=seed, metrics={"test/accuracy": value}) for seed, value in enumerate(values)]
    html = page(runs[::-1])
    assert "0.9200 ± 0.0200" in html.replace("<small> ± ", " ± ")
    assert 'title="seed 0: 0.9; seed 1: 0.92; seed 2: 0.94"' in html
    assert "Shown is seed 0, the first of 3." in html
    assert [entry["seed"] for entry in results(runs[::-1])] == [0, 1, 2]
    assert "0.9200 ± 0.0200" in summary(runs)
    assert summary(runs).count("cnn_classify") == 1
    for drawn in ("mean of 3 seeds, training", "mean of 3 seeds, validation", "range of 3 seeds, validation"):
        assert f"cnn_classify, {drawn}" in html


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


def test_mistaken_texts_are_shown_as_they_are() -> None:
    arrays, texts = evidence("classify")
    del arrays["mistakes_x"]
    said = ["Who <b>wrote</b> it & why ?", "two\nlines", "the last"]
    html = page([Run(record("classify"), arrays=arrays, texts={**texts, "mistakes": said})])
    read(html)
    assert "<q>Who &lt;b&gt;wrote&lt;/b&gt; it &amp; why ?</q><b>&lt;i&gt;bird&lt;/i&gt;</b>99% sure, is <i>cat" in html
    assert html.count("<q>") == 3
    none = page([Run(record("classify"), arrays=arrays, texts={**texts, "mistakes": []})])
    assert "It made no mistakes." in none


def test_results_hold_the_promised_keys_and_no_nan(four: list[Run]) -> None:
    entry = results([Run(record("classify", metrics={"test/loss": float("nan")}))])[0]
    assert list(entry) == [
        "experiment", "net", "task", "method", "data", "seed", "metrics", "parameters", "flops", "samples_seen",
        "train_seconds", "latency_ms_1", "latency_ms_64", "throughput_64", "bytes",
        "config_hash", "data_digest", "git_commit", "mlflow_run_id",
    ]  # fmt: skip
    assert entry["metrics"] == {"test/loss": None}
    json.dumps(results(four), allow_nan=False)


def test_the_same_runs_make_the_same_page_and_a_small_one(four: list[Run]) -> None:
    assert page(four) == page(four)
    assert len(page(four)) < 3_000_000
