"""Test rows for runs of one experiment that differ: their names work in all outputs."""

from __future__ import annotations

import json
import re
from typing import Any

from sample_runs import read, run

from quartet.report import Run, analysis, markdown, page, results, split_by_config, summary
from quartet.report.table import commands
from quartet_app.comparison.in_mlflow import summary_metrics

NET = {"_target_": "quartet.nets.CNN", "width": 16}
IMAGES: dict[str, Any] = {"name": "photos", "source": {"_target_": "quartet.data.ImageFolder", "height": 32}}
SERIES: dict[str, Any] = {"name": "mnist1d", "source": {"_target_": "quartet.data.Mnist1d"}}


def of(seed: int = 0, value: float = 0.9, **config: Any) -> Run:
    config = {"experiment": "cnn", "seed": seed, "net": NET, "optimizer": {"lr": 0.1}, **config}
    facts = {"data": config.get("data", {}).get("name", "things"), "config_hash": f"{seed}{len(str(config))}" * 10}
    return run("classify", experiment="cnn", seed=seed, config=config, metrics={"test/accuracy": value}, **facts)


def names(*runs: Run) -> list[str]:
    return [entry["experiment"] for entry in split_by_config(runs)]


def test_seeds_of_one_setting_stay_one_row() -> None:
    shown: dict[str, Any] = {
        "trainer": {"progress": False},
        "data": IMAGES | {"source": IMAGES["source"] | {"mirror": "/mnt"}},
    }
    assert names(of(0, data=IMAGES), of(1, data=IMAGES, profile="full"), of(2, **shown)) == ["cnn"] * 3


def test_the_differing_settings_name_a_row() -> None:
    slow, fast = of(optimizer={"lr": 0.1}), of(optimizer={"lr": 0.2})
    assert names(slow, fast, of(1)) == ["cnn optimizer.lr=0.1", "cnn optimizer.lr=0.2", "cnn optimizer.lr=0.1"]
    two = of(optimizer={"lr": 0.2, "nesterov": True})
    assert names(slow, two)[1] == "cnn optimizer.lr=0.2 optimizer.nesterov=true"
    assert names(slow, of(net=NET | {"width": 8}))[1] == "cnn net.width=8"


def test_a_different_part_is_named_by_its_class_alone() -> None:
    other = {"_target_": "quartet.nets.RNN", "cell": "gru", "layers": 2, "dropout": 0.1, "heads": 4}
    assert names(of(), of(net=other)) == ["cnn net=cnn", "cnn net=rnn"]
    sgd, adam = ({"_target_": f"torch.optim.{name}", "lr": 0.1} for name in ("SGD", "AdamW"))
    assert names(of(optimizer=sgd), of(optimizer=adam)) == ["cnn optimizer=sgd", "cnn optimizer=adamw"]
    assert names(of(data=IMAGES), of(data=SERIES)) == ["cnn data=photos", "cnn data=mnist1d"]


def test_a_long_difference_becomes_a_hash_that_all_seeds_share() -> None:
    many = {f"key_{i}": i for i in range(4)}
    plain, first, second = of(0), of(0, schedule=many), of(1, schedule=many)
    hashes = [f"cnn {entry['config_hash'][:8]}" for entry in (plain, first)]
    assert names(second, plain, first) == [hashes[1], hashes[0], hashes[1]]
    for given in ("x" * 99, "two\nlines"):
        assert re.fullmatch(r"cnn \d{8}", names(plain, of(schedule={"name": given}))[1])
    # Both differ in what the name does not say.
    hidden = [of(data=IMAGES), of(data=SERIES), of(data=SERIES | {"loading": {"batch_size": 2}})]
    assert len(set(names(*hidden))) == 3


def test_such_names_work_in_all_outputs() -> None:
    values = {0.001: (0.90, 0.91, 0.92), 1e3: (0.95, 0.96, 0.98)}
    runs = split_by_config([of(seed, value, optimizer={"lr": lr, "eps": "1e+3" if lr == 1e3 else "1e-3"})
                  for lr, some in values.items() for seed, value in enumerate(some)])  # fmt: skip
    rows = [f"cnn optimizer.lr={lr} optimizer.eps={eps}" for lr, eps in (("0.001", "1e-3"), ("1000.0", "1e+3"))]
    assert [entry["experiment"] for entry in results(runs)] == [rows[0]] * 3 + [rows[1]] * 3
    (statistics,) = analysis(runs)
    assert [cell["seeds"] for cell in statistics["cells"]] == [[0, 1, 2]] * 2
    assert statistics["verdicts"][0].startswith(f"{rows[1]} is better than {rows[0]} by ")
    assert rows[1] in summary(runs)
    assert json.dumps(rows[1])[1:-1].replace("_", "\\_") in markdown(runs)
    attributes = [found for _, found in read(page(runs)).attributes]
    ids = [found["id"] for found in attributes if "id" in found]
    assert len(ids) == len(set(ids))
    assert {(found.get("href") or "#")[1:] for found in attributes} <= {*ids, ""}
    assert not [entry for entry in ids if re.search(r"\s", entry or "")]
    logged = summary_metrics(runs)
    assert logged["cnn optimizer.lr_1000.0 optimizer.eps_1e_3/test/accuracy/std"] > 0
    assert all(re.fullmatch(r"[\w\-. :/]+", name) for name in logged)
    assert {words for entry in runs for words in commands(entry)} == {
        f"dvc repro evaluate@cnn-{seed}" for seed in range(3)
    }


def test_one_experiment_on_two_data_sets_has_no_mean_over_both() -> None:
    runs = [of(0, 0.5, data=IMAGES), of(0, 0.9, data=SERIES)]
    assert [(entry["data"], [cell["mean"] for cell in entry["cells"]]) for entry in analysis(runs)] == [
        ("photos", [0.5]), ("mnist1d", [0.9]),
    ]  # fmt: skip
    ids = [found["id"] for _, found in read(page(runs)).attributes if "id" in found]
    assert len(ids) == len(set(ids))


def test_a_single_experiment_has_caveats_on_its_runs() -> None:
    runs = [of(0), of(0, 0.8), of(1, optimizer={"lr": 0.2}), of(2, float("nan"))]
    (statistics,) = analysis(runs)
    assert statistics["caveats"] == [
        "CNN mixes runs that differ in optimizer.lr, which are no repetitions of each other.",
        "cnn has no finite accuracy (not evaluated, or it diverged) for seed 2.",
        "cnn has several runs of one seed; the last is taken.",
    ]
    for place in (page(runs), markdown(runs), summary(runs)):
        assert all(text in place for text in statistics["caveats"])
    assert analysis([of(0), of(1)])[0]["caveats"] == []
