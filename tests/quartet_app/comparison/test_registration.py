"""The choice of champions: candidates with given validation values, registered in a real store."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quartet.report import Run
from quartet.report.run import comparable_experiments
from quartet.tracking import MLflow
from quartet.tracking.model_store import ModelStore
from quartet.types import QuartetError
from quartet_app.comparison.champion import best, register
from quartet_app.predict.predictor import champion

CLOSE, BETTER = (0.80, 0.81, 0.82), (0.90, 0.91, 0.92)  # validation values of three seeds
BIT_BETTER = (0.81, 0.82, 0.83)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MLflow:
    folder = tmp_path_factory.mktemp("registration")
    return MLflow(uri=f"sqlite:///{folder}/mlflow.db", experiment="quartet", system_metrics=False, model=True)


def client(store: MLflow) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(store.uri)


TASKS = itertools.count()


class Table:
    """Make runs of a task of its own: so each test has its own registered model in the shared store."""

    def __init__(self, store: MLflow) -> None:
        self.store, self.task = store, f"task{next(TASKS)}"

    def runs(self, experiment: str, values: Sequence[float], **changes: Any) -> list[Run]:
        """Return a tracked run with a stored model for each validation value; a higher one has a lower test value.
        Each is better than its guess."""
        from mlflow.entities import LoggedModelOutput

        found = []
        for seed, value in enumerate(values):
            run = self.store.start(name=f"{experiment}-{seed}", params={}, tags={})
            model = client(self.store).create_logged_model("1", name="model", source_run_id=run)
            client(self.store).log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
            record = {
                "experiment": experiment, "net": experiment, "task": self.task, "method": "supervised", "data": "d",
                "seed": seed, "monitor": "val/accuracy", "mode": "max", "config_hash": f"{experiment}-{seed}",
                "data_digest": "digest", "mlflow_run_id": run,
                "metrics": {"val/accuracy": value, "test/accuracy": 1 - value}, **changes,
            }  # fmt: skip
            found.append(Run(record, texts={"guess": {"metric": "accuracy", "value": 0.0, "by": "a coin"}}))
        return found

    def more(self, runs: list[Run], values: Sequence[float]) -> list[Run]:
        """Return `runs` and runs of further seeds of their experiment."""
        further = self.runs(runs[0]["experiment"], values)
        return [*runs, *(replace(run, record={**run.record, "seed": len(runs) + i}) for i, run in enumerate(further))]

    def register(self, *runs: list[Run]) -> str:
        (line,) = register(self.store, [run for some in runs for run in some])
        return line

    @property
    def aliases(self) -> dict[str, int]:
        with self.store.registry() as registry:
            return registry.aliases(f"quartet-{self.task}")

    @property
    def versions(self) -> list[Any]:
        with self.store.registry() as registry:
            return registry.versions(f"quartet-{self.task}")


@pytest.fixture
def table(store: MLflow) -> Table:
    return Table(store)


def test_the_first_champion_is_the_best_by_validation_in_its_best_seed(table: Table) -> None:
    cnn, rnn = table.runs("cnn", CLOSE), table.runs("rnn", (0.99, 0.2, 0.3))
    line = table.register(rnn, cnn)
    assert line == f"quartet-{table.task} v1 (cnn, seed 2): champion-d, champion; val accuracy 0.81 (3 seeds)"
    assert table.aliases == {"champion-d": 1, "champion": 1}
    (version,) = table.versions
    assert version.run == cnn[2]["mlflow_run_id"]
    assert json.loads(version.tags.pop("validation")) == {"0": 0.80, "1": 0.81, "2": 0.82}
    assert version.tags == {
        "data": "d", "task": table.task, "net": "cnn", "experiment": "cnn", "seed": "2", "mode": "max",
        "mlflow_run_id": version.run, "metric": "val/accuracy", "config_hash": "cnn-2", "data_digest": "digest",
        "settings": "untuned settings",
    }  # fmt: skip


def test_the_same_run_again_makes_no_version(table: Table) -> None:
    cnn = table.runs("cnn", CLOSE)
    table.register(cnn)
    assert "v1 (cnn, seed 2): champion-d, as before" in table.register(cnn)
    assert len(table.versions) == 1


def test_a_candidate_that_is_better_beyond_the_interval_is_promoted(table: Table) -> None:
    table.register(table.runs("cnn", CLOSE))
    rnn = table.runs("rnn", BETTER)
    line = table.register(rnn)
    # Two means of three values with the standard deviation 0.01: t(4 degrees, 97.5 %) = 2.776, times sqrt(2/3) * 0.01.
    assert line.endswith(
        "val accuracy 0.91 (3 seeds) against 0.81 of v1, difference 0.1 [0.077, 0.12] over seeds alone"
    )
    assert "v2 (rnn, seed 2): champion-d, champion" in line
    assert table.aliases == {"champion-d": 2, "champion": 2}
    assert client(table.store).get_model_version(f"quartet-{table.task}", "2").description == line


def test_a_candidate_within_the_interval_is_the_challenger_until_more_seeds_decide(table: Table) -> None:
    cnn, rnn = table.runs("cnn", CLOSE), table.runs("rnn", BIT_BETTER)
    table.register(cnn)
    assert "v2 (rnn, seed 2): challenger-d, challenger" in table.register(cnn, rnn)
    assert table.register(rnn).endswith(
        "difference 0.01 [-0.013, 0.033] over seeds alone, not better beyond the interval"
    )
    assert table.aliases == {"champion-d": 1, "champion": 1, "challenger-d": 2, "challenger": 2}
    line = table.register(table.more(cnn, (0.80, 0.81, 0.80)), table.more(rnn, (0.82, 0.81, 0.82)))
    assert "v2 (rnn, seed 2): champion-d, champion" in line, line
    assert table.aliases == {"champion-d": 2, "champion": 2}
    assert len(table.versions) == 2


def test_a_clearly_worse_candidate_is_never_champion(table: Table) -> None:
    table.register(table.runs("cnn", BETTER))
    assert "challenger-d" in table.register(table.runs("rnn", CLOSE))
    assert table.aliases["champion"] == 1


def test_a_lower_value_wins_where_the_mode_is_min(table: Table) -> None:
    loss = {"mode": "min"}
    table.register(table.runs("cnn", BETTER, **loss))
    line = table.register(table.runs("rnn", CLOSE, **loss))
    assert "v2 (rnn, seed 0): champion-d, champion" in line
    assert "difference -0.1 [-0.12, -0.077]" in line


def test_one_seed_gives_no_interval_until_the_champion_has_more(table: Table) -> None:
    cnn = table.runs("cnn", CLOSE)
    table.register(cnn[2:])
    line = table.register(table.runs("rnn", BETTER))
    assert "challenger-d" in line
    assert "one seed gives no interval" in line
    # The champion's experiment is trained with more seeds: their values are added to its version.
    rnn = table.runs("transformer", (0.95, 0.96, 0.97))
    assert "champion-d" in table.register(cnn, rnn)
    assert json.loads(table.versions[0].tags["validation"]) == {"0": 0.80, "1": 0.81, "2": 0.82}


def test_other_data_has_its_own_champion_and_never_takes_the_plain_alias(table: Table) -> None:
    table.register(table.runs("cnn", CLOSE))
    other = table.runs("cnn", (0.99, 0.99, 0.98), data="e/é ", data_digest="other")
    assert "v2 (cnn, seed 0): champion-e_é_;" in table.register(other)
    assert "challenger-e_é_;" in table.register(table.runs("rnn", BETTER, data="e/é ", data_digest="other"))
    assert table.aliases == {"champion-d": 1, "champion": 1, "champion-e_é_": 2, "challenger-e_é_": 3}


def test_a_plain_alias_that_was_moved_by_hand_stays(table: Table) -> None:
    table.register(table.runs("cnn", CLOSE))
    rnn = table.runs("rnn", BIT_BETTER)
    table.register(rnn)
    with table.store.registry() as registry:
        registry.set_alias(table.versions[1], "champion")
    assert "v3 (transformer, seed 2): champion-d;" in table.register(table.runs("transformer", BETTER))
    assert table.aliases["champion"] == 2


def test_a_champion_on_changed_data_is_replaced(table: Table) -> None:
    table.register(table.runs("cnn", BETTER))
    line = table.register(table.runs("rnn", CLOSE, data_digest="changed"))
    assert "v2 (rnn, seed 2): champion-d, champion; val accuracy 0.81 (3 seeds)" in line
    assert line.endswith("v1, whose data_digest is digest: it was measured on other data of this name, and gives way")
    assert table.aliases == {"champion-d": 2, "champion": 2}


def test_a_candidate_with_another_metric_is_not_promoted(table: Table) -> None:
    table.register(table.runs("cnn", CLOSE))
    line = table.register(table.runs("rnn", BETTER, mode="min"))
    assert "challenger-d" in line
    assert line.endswith("not comparable with v1, whose mode is max")
    assert table.aliases["champion-d"] == 1


def test_data_sets_whose_names_share_an_alias_stay_apart(table: Table) -> None:
    table.register(table.runs("cnn", CLOSE, data="my.photos"))
    line = table.register(table.runs("rnn", BETTER, data="my_photos", data_digest="other"))
    assert line.endswith("not comparable with v1, whose data is my.photos")
    assert table.aliases["champion-my_photos"] == 1


def test_the_champion_is_found_by_the_name_that_its_data_has(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    table.register(table.runs("cnn", CLOSE, data="my.photos"))
    uri, known = champion(ModelStore(table.store.uri), table.task, "my.photos")
    assert uri == f"models:/quartet-{table.task}@champion-my_photos"
    assert known["data"] == "my.photos"


def test_among_runs_of_one_seed_the_last_is_registered(table: Table) -> None:
    first, again = table.runs("cnn", (0.95,)), table.runs("cnn", (0.90,))
    table.register(first, again)
    (version,) = table.versions
    assert version.run == again[0]["mlflow_run_id"]
    assert json.loads(version.tags["validation"]) == {"0": 0.90}


def test_a_line_says_why_nothing_was_registered(table: Table) -> None:
    cnn, rnn = table.runs("cnn", CLOSE), table.runs("rnn", CLOSE, data_digest="changed")
    assert table.register(cnn, rnn).endswith("not registered: its runs differ in data_digest (changed, digest)")
    untracked = table.runs("cnn", CLOSE, mlflow_run_id="")
    assert "cnn with seed 2, was not tracked" in table.register(untracked)
    bare = table.store.start(name="no model", params={}, tags={})
    assert "holds no model" in table.register(table.runs("cnn", CLOSE, mlflow_run_id=bare))
    (cells,) = comparable_experiments(table.runs("cnn", [float("nan")])).values()
    with pytest.raises(QuartetError, match="no run has a val/accuracy"):
        best(cells)
    assert table.versions == []


def test_an_unreachable_store_becomes_a_line(table: Table, tmp_path: Path) -> None:
    cnn = table.runs("cnn", CLOSE)
    gone = MLflow(uri="http://127.0.0.1:9", experiment="quartet", system_metrics=False, model=True)
    (line,) = register(gone, cnn)
    assert "not registered: the model registry of http://127.0.0.1:9" in line


def test_a_classifier_no_better_than_a_guess_is_not_registered(table: Table) -> None:
    runs = table.runs("cnn", CLOSE)  # of test accuracy 0.2, 0.19 and 0.18
    guessed = [replace(run, arrays={"confusion": np.array([[20, 0], [79, 1]])}, texts={}) for run in runs]
    line = table.register(guessed)
    assert "not registered: the best, cnn, is no better than guessing" in line
    assert "test accuracy 0.19, not shown to be more (95% interval from 0.125" in line
    assert "; the commonest class, named always: 0.8); train longer" in line
    assert table.versions == []
    known = [replace(run, arrays={"confusion": np.array([[2, 8]] * 10)}, texts={}) for run in runs]
    assert "champion" in table.register(known)


@pytest.mark.parametrize(
    ("metric", "guessed", "spread", "doubt"),
    [
        ("bits_per_character", 0.1, 0.0, "no better"),
        ("bits_per_character", 0.2, 0.2, "not shown to be less (95% interval up to 0.2299)"),
        ("bleu", 0.2, 0.0, "no better"),
        ("bleu", 0.18, 0.2, "not shown to be more (95% interval from"),
        ("fid", 0.185, 0.0, "no better"),
    ],
)
def test_no_net_is_registered_that_is_no_better_than_its_task_s_guess(
    metric: str, guessed: float, spread: float, doubt: str, table: Table
) -> None:
    def against(value: float) -> list[Run]:
        told = {"metric": metric, "value": value, "by": "a coin"}
        scores = {f"score_{metric}": 0.19 + spread * np.tile([-1.0, 1.0], 50)} if spread else {}
        metrics = [{**run["metrics"], f"test/{metric}": run["metrics"]["test/accuracy"]} for run in runs]
        return [
            Run({**run.record, "metrics": each}, arrays=scores, texts={"guess": told})
            for run, each in zip(runs, metrics, strict=True)
        ]

    runs = table.runs("rnn", CLOSE)  # of test values 0.2, 0.19 and 0.18
    line = table.register(against(guessed))
    assert "not registered: the best, rnn, is no better than guessing" in line
    assert f"0.19, {doubt}" in line
    assert f"; a coin: {guessed}); train longer, or look at the data" in line
    assert table.versions == []
    line = table.register(against(0.01 if metric == "bleu" else 0.4))
    assert "champion" in line
    assert "held against no guess" not in line


def test_a_net_whose_evaluation_knows_no_guess_is_registered_with_a_word(table: Table) -> None:
    line = table.register([replace(run, texts={}) for run in table.runs("cnn", CLOSE)])
    assert line.endswith("val accuracy 0.81 (3 seeds); held against no guess, since its evaluation knows none")
    assert len(table.versions) == 1


def test_equal_seeds_give_no_interval_that_could_crown_a_champion(table: Table) -> None:
    table.register(table.runs("cnn", (0.8, 0.8)))
    line = table.register(table.runs("rnn", (0.81, 0.81)))
    assert "challenger-d" in line
    assert "not better beyond the interval" in line
