"""The prepare stage, in a folder that holds what is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from quartet.types import QuartetError
from quartet_app.data.prepared import ensure
from quartet_app.data.table import prepare_table


@pytest.fixture
def resolved(own: Path, here: Path) -> Path:
    """A folder where one experiment's data is resolved."""
    source = {"_target_": "quartet.data.ImageArrays", "file": str(own / "images.npz"), "validation": 0.2, "test": 0.2}
    (here / "build/data").mkdir(parents=True)
    (here / "build/data/cnn.yaml").write_text(yaml.safe_dump({"name": "mine", "source": {**source, "seed": 0}}))
    return here


def test_what_is_not_ours_stays_and_what_is_stale_goes(resolved: Path) -> None:
    prepare_table()
    photos, numbers = resolved / "data/photos/cat/1.png", resolved / "data/numbers.json"
    photos.parent.mkdir(parents=True)
    photos.write_bytes(b"a picture")
    numbers.write_text("[1, 2]")
    (resolved / "build/data/cnn.yaml").rename(resolved / "build/data/rnn.yaml")
    text = (resolved / "build/data/rnn.yaml").read_text()
    (resolved / "build/data/rnn.yaml").write_text(text.replace("mine", "other"))
    prepare_table()
    assert photos.exists()
    assert numbers.exists()
    assert (resolved / "data/other/manifest.json").exists()
    assert not (resolved / "data/mine").exists()
    assert not (resolved / "data/cnn.json").exists()
    assert json.loads((resolved / "data/rnn.json").read_text())["data"] == "other"


def test_nothing_resolved_is_refused_and_deletes_nothing(here: Path) -> None:
    kept = here / "data/photos/1.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"a picture")
    with pytest.raises(QuartetError, match="build/data: no resolved experiments"):
        prepare_table()
    assert kept.exists()


def test_what_older_sources_prepared_is_prepared_anew(resolved: Path) -> None:
    data = yaml.safe_load((resolved / "build/data/cnn.yaml").read_text())
    manifest = ensure(data, table=True) / "manifest.json"
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**said, "code": "of another version"}))
    assert json.loads((ensure(data, table=True) / "manifest.json").read_text()) == said
