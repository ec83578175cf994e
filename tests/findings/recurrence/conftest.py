"""What several tests of recurrent nets share: a small text, and LSTMs that have learned it."""

from __future__ import annotations

import pytest
from findings.recurrence.toys import language_model, learn, runs, story, text_data

from quartet.data import DataModule
from quartet.findings import Trained


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataModule:
    return text_data(tmp_path_factory.mktemp("text"), story())


@pytest.fixture(scope="session")
def learned(data: DataModule) -> list[Trained]:
    return runs(lambda seed: learn(language_model(data, "rnn", seed=seed, width=32), data, steps=150), data)
