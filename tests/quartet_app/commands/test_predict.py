"""Predictions of really trained models: from a run's folder and of MLflow's champions, as text and as JSON."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import QUARTET, ROOT, command, only_run, runs

from quartet.types import QuartetError
from quartet_app.commands import predict
from quartet_app.config.composing import compose
from quartet_app.run.evaluate import evaluate
from quartet_app.run.train import train

Small = Callable[..., list[str]]
EXPERIMENTS = {"classify": "cnn", "language": "rnn", "translate": "transformer", "generate": "gan"}
Say = Callable[..., str]


@pytest.fixture
def say(trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Return a function that runs `quartet predict` in the models' folder and returns its output."""
    monkeypatch.chdir(trained)

    def said(*arguments: str) -> str:
        capsys.readouterr()
        predict.main(list(arguments))
        return capsys.readouterr().out

    return said


def run_of(folder: Path, task: str) -> str:
    (found,) = (run for run in runs(folder) if run.name.startswith(f"{EXPERIMENTS[task]}-"))
    return str(found)


def served(folder: Path, task: str) -> Any:
    """Load a champion by MLflow itself."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    return mlflow.pyfunc.load_model(f"models:/quartet-{task}@champion")


def test_classes_of_pictures(trained: Path, say: Say) -> None:
    lines = say("classify", "pictures").splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"pictures/{i}.png" for i in range(5)]
    assert say("classify", "pictures", "--from", run_of(trained, "classify")).splitlines() == lines
    answers = [json.loads(line) for line in say("classify", "pictures/3.png", "pictures/0.png", "--json").splitlines()]
    assert [answer["file"] for answer in answers] == ["pictures/3.png", "pictures/0.png"]
    assert [len(answer["classes"]) for answer in answers] == [3, 3]
    x = np.stack([np.asarray(Image.open(trained / answer["file"])) for answer in answers])
    expected = served(trained, "classify").predict(x)
    assert [answer["classes"][0]["class"] for answer in answers] == list(expected["label"])
    found = [answer["classes"][0]["probability"] for answer in answers]
    np.testing.assert_allclose(found, expected["confidence"], rtol=1e-4)


def test_a_text_goes_on(trained: Path, say: Say) -> None:
    ask = ("language", "the cat eats", "--tokens", "30", "--seed", "3", "--temperature", "0.9")
    text = say(*ask)
    assert text.startswith("the cat eats")
    assert text == say(*ask, "--from", run_of(trained, "language"))
    params = {"tokens": 30, "seed": 3, "temperature": 0.9}
    assert served(trained, "language").predict(["the cat eats"], params=params) == [text[:-1]]
    assert text != say("language", "the cat eats", "--tokens", "30", "--seed", "4", "--temperature", "0.9")
    answer = json.loads(say(*ask, "--json"))
    assert answer["prompt"] + answer["continuation"] + "\n" == text


def test_sentences_are_translated(trained: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = ["the cat eats", "a small red fish"]
    lines = say("translate", *sentences).splitlines()
    assert lines == served(trained, "translate").predict(sentences)
    assert lines == say("translate", *sentences, "--from", f"{run_of(trained, 'translate')}").splitlines()
    with open(trained / "lines.txt", "w+") as file:
        file.write("the cat eats\n\na small red fish\n")
        file.seek(0)
        monkeypatch.setattr(sys, "stdin", file)
        assert say("translate", "--data", "own_pairs").split("\n") == [lines[0], "", lines[1], ""]
    answer = json.loads(say("translate", sentences[0], "--json"))
    assert answer == {"source": sentences[0], "translation": lines[0]}


@pytest.mark.parametrize("options", [[], pytest.param(["--json"], marks=pytest.mark.slow)])
def test_a_line_that_cannot_be_translated_costs_no_other(options: list[str], trained: Path) -> None:
    """A line of Latin-1, one that is too long, half of UTF-16: named on stderr, the other lines translated."""
    given = b"\xef\xbb\xbfthe cat eats\nf\xfcr\n" + b"cat " * 300 + b"\n\xff\xfea\x00\na small red fish\r\n"
    done = subprocess.run([*QUARTET, "predict", "translate", *options], cwd=trained, input=given, capture_output=True)
    whole = subprocess.run(
        [*QUARTET, "predict", "translate", "the cat eats", "a small red fish", *options],
        cwd=trained, capture_output=True, check=True,
    )  # fmt: skip
    found = done.stdout.decode().splitlines()
    assert [found[0], found[4]] == whole.stdout.decode().splitlines()
    assert [json.loads(line)["translation"] for line in found[1:4]] == [None] * 3 if options else found[1:4] == [""] * 3
    said = done.stderr.decode().splitlines()
    assert said[1].startswith("sentence 2: f\\xfcr: not UTF-8; convert it first")
    assert "give one sentence at a time" in said[2]
    assert said[3].startswith("sentence 4: ")
    assert said[4:] == ["3 of 5 sentences could not be translated; their messages are above"]
    assert done.returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ["translate", b"f\xfcr"],
        *(pytest.param(["language", given], marks=pytest.mark.slow) for given in (b"f\xfcr", "-")),
    ],
)
def test_a_text_that_is_not_utf8_is_refused_in_a_line(words: list[str | bytes], trained: Path) -> None:
    done = subprocess.run([*QUARTET, "predict", *words], cwd=trained, input=b"f\xfcr", capture_output=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [rb"f\xfcr: not UTF-8; convert it first, as by iconv -f latin1 -t utf-8"]


def test_images_are_generated(trained: Path, say: Say, tmp_path: Path) -> None:
    say("generate", "--count", "7", "--seed", "2", f"{tmp_path}/a.png")
    answer = json.loads(say("generate", "--count", "7", "--seed", "2", "--from", run_of(trained, "generate"),
                            f"{tmp_path}/b.png", "--json"))  # fmt: skip
    assert answer["count"] == 7
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    assert sheet.shape == (3 * 28, 3 * 28)
    expected = served(trained, "generate").predict(np.array([7]), params={"seed": 2})
    for i, image in enumerate(expected):
        row, column = divmod(i, 3)
        found = sheet[28 * row :][:28, 28 * column :][:, :28]
        assert np.abs(found.astype(int) - image[..., 0]).max() <= 1
    assert not sheet[56:, 28:].any()
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")).astype(int) - sheet).max() <= 1


def test_a_model_by_its_uri_and_a_result_folder(trained: Path, say: Say, tmp_path: Path) -> None:
    (expected,) = say("translate", "the cat").splitlines()
    assert say("translate", "the cat", "--from", "models:/quartet-translate/1").splitlines() == [expected]
    run = json.loads((Path(run_of(trained, "translate")) / "run.json").read_text())["mlflow_run_id"]
    assert say("translate", "the cat", "--from", f"runs:/{run}/model").splitlines() == [expected]
    shutil.copytree(run_of(trained, "translate"), tmp_path / "0" / "train")
    assert say("translate", "the cat", "--from", f"{tmp_path}/0").splitlines() == [expected]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["classify", "nowhere.png"], "nowhere.png: no such file"),
        (["classify", "mlflow.db"], "cannot be read"),
        (["classify", "runs"], "a folder without any"),
        (["classify", "pictures", "--data", "mars"], "quartet-classify@champion-mars: no such model"),
        (["classify", "pictures", "--from", "runs"], "no model to predict with"),
        (["classify", "pictures", "--from", "nowhere"], "no such folder"),
        (["classify", "pictures", "--from", "models:/nothing/1"], "not found"),
        (["classify", "pictures", "--from", "models:/quartet-language@champion"], "is for language"),
        (["classify", "pictures", "--from", "runs", "--data", "x"], "give one of them"),
        (["language", "x", "--temperature", "-1"], "temperature: -1.0 given"),
        (["language", "x", "--tokens", "0"], "tokens: 0 given"),
        (["translate", "cat " * 300], "give one sentence at a time"),
        (["translate", "x", "--num-beams", "0"], "beams: 0 given"),
        (["generate", "--count", "0", "new.png"], "images asked for"),
        (["generate", "new.jpg"], "give the name of a .png"),
        (["generate", "no/such/folder/new.png"], "in an existing folder"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], said: str, say: Say) -> None:
    with pytest.raises(QuartetError, match=said) as caught:
        say(*arguments)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_missing_champion_is_refused_with_the_command_that_makes_one(here: Path) -> None:
    refused = command("predict", "language", "x", cwd=here, check=False, MLFLOW_TRACKING_URI="")
    assert refused.returncode == 2
    first, second = refused.stderr.strip().splitlines()
    assert "quartet-language@champion" in first
    assert "dvc repro" in second
    assert "--from" in second
    assert not (here / "mlflow.db").exists(), "asking must not make a store"


def test_text_comes_as_it_is_written(trained: Path) -> None:
    """The first words can be read from a pipe long before all 10,000 tokens are generated."""
    process = subprocess.Popen(
        [*QUARTET, "predict", "language", "the cat", "--tokens", "10000",
         "--from", run_of(trained, "language")],
        cwd=trained, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        first = os.read(process.stdout.fileno(), 100)
        assert first.startswith(b"the cat")
        assert os.read(process.stdout.fileno(), 100)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_a_reader_may_close_the_pipe_early(trained: Path) -> None:
    arguments = f"language cat --tokens 5000 --from {run_of(trained, 'language')}"
    program = f"{sys.executable} -m quartet_app predict {arguments}"
    done = subprocess.run(f"{program} | head -c 3", shell=True, cwd=trained, capture_output=True, check=True)
    assert done.stdout == b"cat"
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["classify", "--help"]])
def test_help_is_light(arguments: list[str]) -> None:
    code = (
        "import sys; from quartet_app.commands import predict\n"
        f"try: predict.main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "--from" in loaded or "generate" in loaded
    assert not {"torch", "numpy", "mlflow", "hydra", "omegaconf"} & set(loaded.split())


def test_series_are_classified(small: Small, here: Path, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(compose(small("mnist1d_rnn")))
    with np.load(own / "series.npz") as archive:
        x = archive["x"][:3]
    np.save(here / "three.npy", x)
    np.savetxt(here / "three.csv", x, delimiter=",")
    answers = []
    for name in ("three.npy", "three.csv"):
        capsys.readouterr()
        predict.main(["classify", name, "--from", str(only_run(here))])
        answers.append([line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()])
    assert len(answers[0]) == 3
    assert answers[0] == answers[1]
    half = ",".join(["0"] * 20) + "\n"
    for content in ("1,2,3\n", half * 2, half[:-1] + "," + half * 3, ""):  # two halves are not one series
        (here / "bad.csv").write_text(content)
        with pytest.raises(QuartetError, match="no series of length 40"):
            predict.main(["classify", "bad.csv", "--from", str(only_run(here))])
    np.save(here / "bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(QuartetError, match=r"bad\.npy"):
        predict.main(["classify", "bad.npy", "--from", str(only_run(here))])


def test_texts_are_classified_from_files_from_standard_input_and_as_typed(
    small: Small, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(compose(small("trec_rnn", steps=30)))
    texts = ["the cat eats a fish", "old", "an old tree by the river " * 40, "ünknown 🐈"]
    model = ("--from", str(only_run(here)))

    def said(*arguments: str) -> list[list[str]]:
        capsys.readouterr()
        predict.main(["classify", *arguments, *model])
        return [line.split("\t") for line in capsys.readouterr().out.splitlines()]

    (here / "notes").mkdir()
    (here / "notes" / "a.txt").write_bytes(b"\xef\xbb\xbf" + f"{texts[0]}\r\n\r\n{texts[1]}\r\n".encode())
    (here / "notes" / "b.txt").write_text("\n".join(texts[2:]))
    answers = said("notes")
    assert [line[0] for line in answers] == [f"notes/{name}" for name in ("a.txt:1", "a.txt:3", "b.txt:1", "b.txt:2")]
    assert all(len(line) == 4 for line in answers)
    assert [line[1:] for line in said(*(word for text in texts for word in ("--text", text)))] == [
        line[1:] for line in answers
    ]
    assert said("--text", " two\twords \n")[0][0] == "two words"
    with open(here / "lines.txt", "w+") as file:
        file.write("\n".join(texts))
        file.seek(0)
        monkeypatch.setattr(sys, "stdin", file)
        assert [line[1:] for line in said("-")] == [line[1:] for line in answers]
    (answer,) = said("--text", texts[0], "--json")
    assert json.loads(answer[0])["classes"][0]["class"] == answers[0][1].split()[0]
    (here / "bad.txt").write_bytes("für".encode("latin-1"))
    capsys.readouterr()
    with pytest.raises(QuartetError, match=r"bad\.txt: not UTF-8"):
        predict.main(["classify", "bad.txt", "notes", *model])
    assert len(capsys.readouterr().out.splitlines()) == 4, "the others are answered first"
    for words, wrong in (
        (["bad.txt", "nowhere"], "nowhere: no such file"),
        (["bad.txt"], r"bad\.txt: not UTF-8"),
        (["--text", "  "], "a text with a word or more would do"),
        ([], "nothing to classify: give files, or a text by --text"),
        (["who is it"], "no such file or folder; a text to classify is given by --text"),
    ):
        with pytest.raises(QuartetError, match=wrong):
            said(*words)


def test_a_model_of_pictures_takes_no_texts(trained: Path, say: Say) -> None:
    for words in (["--text", "a cat"], ["-"]):
        with pytest.raises(QuartetError, match="this model reads pictures or series"):
            say("classify", *words)


# Files that carry code.


class Bomb:
    """A pickle that leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def bombs(mark: Path) -> list[bytes]:
    """Return a pickle that writes `mark`, in torch's format and plain, after a check that both really do so."""
    import torch

    held = {"state_dict": Bomb(mark), "quartet": {"finished": False}}
    buffer = io.BytesIO()
    torch.save(held, buffer)
    bare = pickle.dumps(held)
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    mark.unlink()
    pickle.loads(bare)
    mark.unlink()
    return [buffer.getvalue(), bare]


def test_a_checkpoint_that_carries_code_is_refused(small: Small, here: Path) -> None:
    config = compose(small("cnn"))
    train(config)
    run, mark = only_run(here), here / "exploded"
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "status": "RUNNING"}))
    last = run / "checkpoints" / "last.ckpt"
    (run / "checkpoints" / "last.before.ckpt").unlink()  # or the run goes on from that one
    whole = last.read_bytes()
    for content, said in [*((bomb, "refused: it carries code") for bomb in bombs(mark)), (whole[:5000], "cannot be")]:
        last.write_bytes(content)
        with pytest.raises(QuartetError, match=rf"last\.ckpt: {said}") as caught:
            train(config)
        assert len(str(caught.value).splitlines()) == 2
        assert not mark.exists()
    last.unlink()
    train(config)  # after the message's remedy


def test_weights_that_carry_code_are_refused(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    mark, run = tmp_path / "exploded", tmp_path / "run"
    shutil.copytree(run_of(trained, "classify"), run)
    facts = json.loads((run / "run.json").read_text())
    for bomb in bombs(mark):
        (run / "model.safetensors").write_bytes(bomb)
        # Whoever sends a run can write this too.
        written = {**facts, "weights_sha256": hashlib.sha256(bomb).hexdigest()}
        (run / "run.json").write_text(json.dumps(written))
        with pytest.raises(QuartetError, match=r"model\.safetensors: refused"):
            predict.main(["classify", "pictures", "--from", str(run)])
        with pytest.raises(QuartetError, match=r"model\.safetensors: refused"):
            evaluate(run, out=tmp_path / "evaluate")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"net": {"_target_": "os.system", "command": "true"}}, "os.system: no such net"),
        ({"net": {"_target_": "quartet.nets.CNN"}}, "not a description of a model"),
        ({"classes": ["a", "b"]}, "another model's"),
        ({"role": "rule"}, "no model to predict with"),
        ({"shape": None}, "not a description of a model"),
        ({"dtype": "object"}, "not a description of a model"),
        ({"inputs": {"height": 28, "width": 28, "channels": -1, "mean": [1], "std": [1]}}, "not a description"),
    ],
)
def test_a_description_names_no_code(change: dict[str, Any], said: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(run_of(trained, "classify"), tmp_path / "run")
    described = json.loads((tmp_path / "run" / "model.json").read_text())
    (tmp_path / "run" / "model.json").write_text(json.dumps({**described, **change}))
    with pytest.raises(QuartetError, match=said):
        predict.main(["classify", str(trained / "pictures"), "--from", str(tmp_path / "run")])


def test_a_tokenizer_that_is_none_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(run_of(trained, "language"), tmp_path / "run")
    described = json.loads((tmp_path / "run" / "model.json").read_text())
    (tmp_path / "run" / "model.json").write_text(json.dumps({**described, "tokenizer": {}}))
    with pytest.raises(QuartetError, match=r"model\.json: not a description of a model"):
        predict.main(["language", "the cat", "--from", str(tmp_path / "run")])
