"""Commands whose output goes to ASCII or Latin-1, and where the system's encoding is not UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import QUARTET, command, facts, only_run

Small = Callable[..., list[str]]
PLACES: dict[str, dict[str, Any]] = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin1": {"PYTHONIOENCODING": "latin-1"},
    "nothing": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "coerced": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("latin1", "coerced")]


@pytest.mark.parametrize("place", ["ascii", *SLOW])
def test_a_run_on_two_devices_is_trained(place: str, small: Small, tmp_path: Path) -> None:
    words = [word for word in small("cnn", "trainer.devices=2", "trainer.accelerator=cpu") if "progress" not in word]
    done = command("train", *words, cwd=tmp_path, **PLACES[place])
    assert "val/accuracy" in done.stdout
    assert "\\xb7" in done.stdout or place != "ascii", "what the encoding lacks is printed by its number"


@pytest.mark.slow
def test_a_project_of_umlauts_works_where_the_system_knows_none(small: Small, tmp_path: Path) -> None:
    """With its own files, names and libraries: no encoding is left to the system."""
    place = PLACES["nothing"]
    folder = tmp_path / "jörgs größte"
    folder.mkdir()
    words = small("mnist1d_cnn", "data.name='größe'", "tracking=mlflow")
    command("train", *words, cwd=folder, **place)
    run = only_run(folder)
    command("evaluate", str(run), cwd=folder, **place)
    shown = command("compare", str(run), cwd=folder, **place)
    assert "report: " in shown.stdout
    assert "größe" in (folder / "reports" / "report.md").read_text(encoding="utf-8")
    assert facts(run)["data"] == "größe"
    for name in (["trace", str(run)], ["plan", *words, "--no-measure"], ["train", *words, "--explain", "data.name"]):
        done = command(*name, cwd=folder, **place)
        assert "gr\\xf6\\xdfe" in done.stdout


@pytest.mark.parametrize(
    "place", ["ascii", *(pytest.param(name, marks=pytest.mark.slow) for name in PLACES if name != "ascii")]
)
def test_answers_are_printed_in_any_encoding(place: str, evaluated: Path, trained: Path) -> None:
    run = next((evaluated / "runs").glob("mnist1d_cnn-0-*"))
    for words in (["compare", str(run), "--show"], ["trace", str(run)], ["train", "--help"]):
        env = {**os.environ, **PLACES[place]}
        done = subprocess.run([*QUARTET, *words], cwd=evaluated, env=env, capture_output=True, timeout=300)
        assert done.returncode == 0, done
    sentences = ["the cat eats", "für den Zyklus – größer"]
    given = "\n".join(sentences).encode()
    env = {**os.environ, **PLACES[place]}
    done = subprocess.run([*QUARTET, "predict", "translate", "--json"], cwd=trained, input=given, env=env, stdout=-1)
    assert done.returncode == 0
    encoding = "latin-1" if place == "latin1" else "utf-8"
    answers = [json.loads(line.replace("\\x", "\\u00")) for line in done.stdout.decode(encoding).splitlines()]
    assert [answer["source"] for answer in answers] == sentences


@pytest.mark.slow
def test_a_sweep_is_run_where_the_output_is_ascii(sweep_overrides: Callable[..., list[str]], here: Path) -> None:
    words = sweep_overrides("net.width=choice(8,16)", "hydra.sweeper.trials=2")
    done = command("train", *words, cwd=here, limit=500, **PLACES["ascii"])
    assert "2 trials" in done.stdout + done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_output_that_is_closed_is_none(stream: str, tmp_path: Path) -> None:
    closed = {"stdout": ">&-", "stderr": "2>&-"}[stream]
    shell = f"exec {sys.executable} -m quartet_app train experiment=cnn --explain seed {closed}"
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_is_said_in_a_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*QUARTET, "train", "--help"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 2
    assert "cannot be written (No space left on device)" in done.stderr
    assert done.stderr.count("\n") == 2


def test_a_folder_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f\xfcr")
    folder.mkdir()
    done = subprocess.run([*QUARTET, "train", "experiment=cnn"], cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"the name of this folder is not UTF-8; rename it" in done.stderr
    assert len(done.stderr.splitlines()) == 1
