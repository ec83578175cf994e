"""`quartet choose` as a person uses it: killed, gone on with, and on data whose answer is known. Minutes each."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import running

pytestmark = pytest.mark.slow


def command(*words: str) -> list[str]:
    return [*running.QUARTET, "choose", *words]


def start(here: Path, *words: str) -> subprocess.Popen[str]:
    with (here / "log").open("a") as log:
        return subprocess.Popen(
            command(*words), cwd=here, stdout=log, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def answered(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "answer.json").read_text())  # type: ignore[no-any-return]


def test_it_answers_within_the_time_given_and_is_killed_and_goes_on(here: Path) -> None:
    seed = time.time_ns() % 2**32
    print(f"killed at random moments, seed {seed}")
    draw, began = random.Random(seed), time.monotonic()
    words = ("data=mnist1d", "--nets", "cnn,mlp", "--minutes", "5", "--latency", "1s", "--price", "2.5")
    for _ in range(2):
        process = start(here, *words)
        time.sleep(draw.uniform(20, 70))
        assert process.poll() is None, (here / "log").read_text()
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start(here, "--resume")
    assert process.wait(timeout=600) == 0, (here / "log").read_text()
    lost = 2 * 45  # what was under way at each kill, and the starts
    assert time.monotonic() - began < 5 * 60 * 1.05 + lost

    folder = here / "answers" / "mnist1d"
    found = answered(folder)
    assert found["winner"] in ("mnist1d_cnn", "mnist1d_mlp")
    assert found["headline"].startswith("Take the ")
    page = (folder / "reports" / "index.html").read_text()
    assert found["headline"] in page
    assert "the time of one answer" in page or "latency" in page
    for experiment in ("mnist1d_cnn", "mnist1d_mlp"):
        events = [
            json.loads(line) for line in (folder / "search" / experiment / "trials.jsonl").read_text().splitlines()
        ]
        begun = [event for event in events if event["event"] == "start"]
        tried = Counter(json.dumps([one["values"], one.get("of"), one.get("more")], sort_keys=True) for one in begun)
        assert set(tried.values()) == {1}, "a trial ran twice"
        ended = {event["trial"] for event in events if event["event"] == "end"}
        assert ended == {event["trial"] for event in begun}
        assert (folder / "tuned" / f"{experiment}.yaml").exists()
    assert "champion" in (here / "log").read_text()


def parity(count: int, length: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Series of ±1 whose class is the running parity: a state of one bit, which only recurrence carries far."""
    bits = draw.integers(0, 2, (count, length))
    return (2.0 * bits - 1).astype(np.float32), bits.sum(1) % 2


def shifted(count: int, length: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Series of noise that hold one of four short patterns, anywhere."""
    patterns = draw.choice([-1.5, 1.5], (4, 7))
    x, y = draw.normal(0, 1, (count, length)), np.arange(count) % 4
    for row, label, place in zip(x, y, draw.integers(0, length - 7, count), strict=True):
        row[place : place + 7] += patterns[label]
    return x.astype(np.float32), y


def noise(count: int, length: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Series whose labels were drawn at random."""
    return draw.normal(0, 1, (count, length)).astype(np.float32), draw.integers(0, 4, count)


@pytest.mark.parametrize(
    ("planted", "length", "winner"), [(parity, 12, "rnn"), (shifted, 64, "cnn"), (noise, 32, None)]
)
def test_the_net_that_must_win_does(here: Path, planted: Any, length: int, winner: str | None) -> None:
    x, y = planted(4000, length, np.random.default_rng(1))
    np.savez(here / "series.npz", x=x, y=y)
    words = ("data=own_series", "data.source.file=series.npz", "--nets", "cnn,mlp,rnn,transformer", "--minutes", "10")
    process = start(here, *words, "--size", "2e4")
    assert process.wait(timeout=900) == 0, (here / "log").read_text()
    found = answered(here / "answers" / "own_series")
    assert found["winner"] == (winner and f"own_series_{winner}"), found["headline"]
    if winner is None:
        assert found["headline"] == "Take none of them yet."
        assert "no better than guessing" in found["certainty"][0]
