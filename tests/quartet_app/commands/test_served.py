"""Champions behind MLflow's own server: they answer as `quartet predict`, and refuse bad requests with a clear 400."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import command, model_server

BLACK = [[0] * 28] * 28
# Bad requests of each task, with a part of the answer. A str is sent unchanged, other bodies as JSON.
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


def predicted(trained: Path, *arguments: str) -> list[Any]:
    done = command("predict", *arguments, "--json", cwd=trained, MLFLOW_TRACKING_URI="")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("task", BAD)
def test_a_champion_answers_over_http(task: str, trained: Path, tmp_path: Path) -> None:
    with model_server(f"models:/quartet-{task}@champion", trained) as ask:
        if task == "classify":
            names = [f"pictures/{i}.png" for i in range(3)]
            status, answer = ask({"inputs": [np.asarray(Image.open(trained / name)).tolist() for name in names]})
            expected = [picture["classes"][0] for picture in predicted(trained, "classify", *names)]
            assert [row["label"] for row in answer["predictions"]] == [row["class"] for row in expected]
            found = [row["confidence"] for row in answer["predictions"]]
            np.testing.assert_allclose(found, [row["probability"] for row in expected], rtol=1e-4)
        elif task == "language":
            status, answer = ask({"inputs": ["the cat"], "params": {"tokens": 20, "seed": 5}})
            (expected,) = predicted(trained, "language", "the cat", "--tokens", "20", "--seed", "5")
            assert answer["predictions"] == [expected["prompt"] + expected["continuation"]]
        elif task == "translate":
            status, answer = ask({"inputs": ["the cat eats", "a red fish"]})
            expected = predicted(trained, "translate", "the cat eats", "a red fish")
            assert answer["predictions"] == [sentence["translation"] for sentence in expected]
        else:
            status, answer = ask({"inputs": [4], "params": {"seed": 1}})
            predicted(trained, "generate", "--count", "4", "--seed", "1", f"{tmp_path}/four.png")
            images = np.array(answer["predictions"])[..., 0]
            sheet = np.asarray(Image.open(tmp_path / "four.png")).astype(int)
            assert np.abs(np.block([[images[0], images[1]], [images[2], images[3]]]) - sheet).max() <= 1
        assert status == 200
        for sent, message in [*BAD[task], *ANYWHERE]:
            status, answer = ask(sent)
            assert (status, message in answer["message"]) == (400, True), (sent, answer)
            assert "stack_trace" not in answer, sent
