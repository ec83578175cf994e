"""Champions behind MLflow's own server: the answers of predict.py, and a clear 400 for what cannot be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import command

Ask = Callable[[Any], tuple[int, Any]]
BLACK = [[0] * 28] * 28
# What is sent, and what the answer says; text is sent as it is.
BAD: dict[str, list[tuple[Any, str]]] = {
    "classify": [
        ({"inputs": [[0] * 28]}, "examples of shape (28,) given"),
        ({"inputs": [[BLACK]]}, "examples of shape (1, 28, 28) given"),
        ({"inputs": []}, "Failed to enforce schema"),
        ({"inputs": "a picture"}, "examples of shape () given"),
        ({"inputs": [[["a"] * 28] * 28]}, "holds 'a'; whole numbers from 0 to 255 would do"),
        ({"inputs": [[[300] * 28] * 28]}, "holds 300; whole numbers from 0 to 255 would do"),
        ({"inputs": [[[0.5] * 28] * 28]}, "holds 0.5; whole numbers from 0 to 255 would do"),
        ({"inputs": [[[True] * 28] * 28]}, "holds True; whole numbers from 0 to 255 would do"),
        ({"inputs": [[[None] * 28] * 28]}, "holds None; whole numbers from 0 to 255 would do"),
        ({"inputs": [[[0] * 28] * 27 + [[0]]]}, "examples of shape (28,) given"),
    ],
    "language": [
        ({"inputs": []}, "missing inputs"),
        ({"inputs": {"a": ["b"]}}, "Failed to parse input data"),
        ({"inputs": [None]}, "[None] given; texts, one or more, would do"),
        ({"inputs": ["x", 3]}, "['x', 3] given; texts, one or more, would do"),
        ({"inputs": ["x"], "params": {"temperature": -1}}, "temperature: -1.0 given; 0, or 0.001 to 100 would do"),
        ({"inputs": ["x"], "params": {"tokens": 10**9}}, "tokens: 1000000000 given; 1 to 10000 would do"),
        ({"inputs": ["x"], "params": {"tokens": "many"}}, "Invalid parameters"),
        ({"inputs": ["x"], "params": {"top_p": None}}, "top_p: None given"),
        ({"inputs": ["x"], "params": {"seed": 10**30}}, "seed"),
        ({"inputs": ["word " * 20_000]}, "10000 at most"),
    ],
    "translate": [
        ({"inputs": []}, "missing inputs"),
        ({"inputs": [""]}, "has 0 tokens"),
        ({"inputs": [None]}, "[None] given; texts, one or more, would do"),
        ({"inputs": ["cat " * 300]}, "give one sentence at a time"),
        ({"inputs": ["x"], "params": {"num_beams": 0}}, "beams: 0 given; 1 to 64 would do"),
        ({"inputs": ["x"], "params": {"num_beams": 1000}}, "beams: 1000 given"),
        ({"inputs": ["x"], "params": {"max_ratio": float("inf")}}, "max_ratio: inf given"),
    ],
    "generate": [
        ({"inputs": [0]}, "one number, 1 to 10000, would do"),
        ({"inputs": [-3]}, "one number, 1 to 10000, would do"),
        ({"inputs": [10**9]}, "one number, 1 to 10000, would do"),
        ({"inputs": [2, 3]}, "one number, 1 to 10000, would do"),
        ({"inputs": ["a"]}, "one number, 1 to 10000, would do"),
        ({"inputs": [2.7]}, "[2.7] images asked for; one number"),
        ({"inputs": [2], "params": {"seed": -1}}, "seed: -1 given"),
    ],
}
ANYWHERE: list[tuple[Any, str]] = [
    ("{", "valid JSON"),
    ("", "valid JSON"),
    ({}, "exactly one of the input fields"),
    ({"rows": []}, "exactly one of the input fields"),
]


@contextmanager
def server(folder: Path, task: str) -> Iterator[Ask]:
    """`mlflow models serve` of a champion, as its own group of processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = ["models", "serve", "-m", f"models:/quartet-{task}@champion", "--env-manager", "local"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder, env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    def ask(what: Any) -> tuple[int, Any]:
        body = what if isinstance(what, str) else json.dumps(what)
        request = urllib.request.Request(
            f"{address}/invocations", data=body.encode(), headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield ask
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def predicted(trained: Path, *arguments: str) -> list[Any]:
    done = command("predict", *arguments, "--json", cwd=trained, MLFLOW_TRACKING_URI="")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("task", BAD)
def test_a_champion_answers_over_http(task: str, trained: Path, tmp_path: Path) -> None:
    with server(trained, task) as ask:
        if task == "classify":
            names = [f"pictures/{i}.png" for i in range(3)]
            status, answer = ask({"inputs": [np.asarray(Image.open(trained / name)).tolist() for name in names]})
            expected = [one["classes"][0] for one in predicted(trained, "classify", *names)]
            assert [one["label"] for one in answer["predictions"]] == [one["class"] for one in expected]
            found = [one["confidence"] for one in answer["predictions"]]
            np.testing.assert_allclose(found, [one["probability"] for one in expected], rtol=1e-4)
        elif task == "language":
            status, answer = ask({"inputs": ["the cat"], "params": {"tokens": 20, "seed": 5}})
            (expected,) = predicted(trained, "language", "the cat", "--tokens", "20", "--seed", "5")
            assert answer["predictions"] == [expected["prompt"] + expected["continuation"]]
        elif task == "translate":
            status, answer = ask({"inputs": ["the cat eats", "a red fish"]})
            expected = predicted(trained, "translate", "the cat eats", "a red fish")
            assert answer["predictions"] == [one["translation"] for one in expected]
        else:
            status, answer = ask({"inputs": [4], "params": {"seed": 1}})
            predicted(trained, "generate", "--count", "4", "--seed", "1", f"{tmp_path}/four.png")
            images = np.array(answer["predictions"])[..., 0]
            sheet = np.asarray(Image.open(tmp_path / "four.png")).astype(int)
            assert np.abs(np.block([[images[0], images[1]], [images[2], images[3]]]) - sheet).max() <= 1
        assert status == 200
        for sent, said in [*BAD[task], *ANYWHERE]:
            status, answer = ask(sent)
            assert (status, said in answer["message"]) == (400, True), (sent, answer)
            assert "stack_trace" not in answer, sent
