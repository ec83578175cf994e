"""`quartet tune`: equal sweeps for all experiments of a table, by real training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import running

from quartet.types import QuartetError
from quartet_app.choose.search import Place
from quartet_app.choose.tune import tune

PARAMS = """\
experiments: [mnist1d_cnn, mnist1d_mlp]
seeds: [0, 1]
profile: laptop
overrides:
  mnist1d_cnn: [budget=60 steps, validate_every=10 steps]
  mnist1d_mlp: [budget=60 steps, validate_every=10 steps]
"""


@pytest.mark.slow
def test_each_experiment_of_a_table_is_tuned_alike(here: Path) -> None:
    (here / "conf" / "tuned").mkdir(parents=True)
    (here / "conf" / "config.yaml").write_text((Path(running.CONF) / "config.yaml").read_text())
    (here / "params.yaml").write_text(PARAMS)
    done = running.command("tune", ".", "--trials", "3", cwd=here, limit=600)
    found = json.loads((here / "tuned.json").read_text())
    assert list(found) == ["mnist1d_cnn", "mnist1d_mlp"]
    for name, fact in found.items():
        assert fact["trials"] == 3
        assert len(fact["default"]) == len(fact["tuned"]) == 3  # seeds
        assert sum(fact["tuned"]) >= sum(fact["default"])  # tuning never makes worse
        text = (here / "conf" / "tuned" / f"{name}.yaml").read_text()
        assert ", 3 trials (" in text
        assert "on average over 3 seeds" in text
        assert f"{name}  " in done.stdout
    again = running.command("tune", ".", "--trials", "3", cwd=here, limit=120)
    assert "trial 0" not in again.stdout  # nothing is left to do


def test_what_cannot_be_tuned_is_refused(here: Path) -> None:
    with pytest.raises(QuartetError, match="no table, it has no params"):
        tune(here, trials=3, only=[], place=Place(None, None))
    (here / "params.yaml").write_text(PARAMS)
    with pytest.raises(QuartetError, match=r"--only: mnist1d_cn: not in .*; did you mean mnist1d_cnn"):
        tune(here, trials=3, only=["mnist1d_cn"], place=Place(None, None))
