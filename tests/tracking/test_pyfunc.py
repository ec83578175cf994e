"""Test each role's net: exported, stored, and predicting from raw input in a process without Quartet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from quartet import nets
from quartet.data.loading.tokenizer import train_tokenizer
from quartet.description import describe
from quartet.export import export
from quartet.roles.text import portable
from quartet.tracking import MLflow
from quartet.types import Classes, Pixels, QuartetError, Series, Tokens
from quartet_app.config.project import CONF

PIXELS = Pixels(height=12, width=12, channels=1, mean=(73.0,), std=(90.0,))
COLOURED = Pixels(height=12, width=12, channels=3, mean=(73.0,) * 3, std=(90.0,) * 3)
SERIES = Series(length=16, channels=1)
CLASSES = Classes(names=("cat", "dog", "Katze"))
TEXT = ["the cat eats the dog", "a dog eats", "die Katze frisst", "der Hund frisst die Katze"] * 5
FAMILIES = {
    "cnn": {"width": 8, "layers": 1, "stages": 2, "depth": 1},
    "rnn": {"width": 16, "layers": 1},
    "transformer": {"width": 16, "layers": 1},
}


def net(family: str, **changes: Any) -> Any:
    if family == "alone":  # has no file of its own
        family, changes = "transformer", {"_target_": "quartet.nets.DecoderOnlyTransformer", **changes}
    recipe = {**yaml.safe_load((CONF / "net" / f"{family}.yaml").read_text()), **FAMILIES[family], **changes}
    torch.manual_seed(0)
    return getattr(nets, recipe.pop("_target_").rpartition(".")[2])(**recipe)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokens]:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    trained = train_tokenizer(TEXT, kind="subword", vocabulary=280, spaced=True)
    trained.save(path)
    return path, Tokens(vocabulary=trained.vocabulary, context=24)


def export_role(
    family: str, role: str, folder: Path, tokenizer: tuple[Path, Tokens], **changes: Any
) -> torch.nn.Module:
    path, tokens = tokenizer
    recipe = net(family, **changes)
    if role == "classify":
        model = recipe.classifier(PIXELS, CLASSES)
        described = describe(role="classify", inputs=PIXELS, outputs=CLASSES)
    elif role == "classify texts":
        model = recipe.classifier(tokens, CLASSES)
        described = describe(role="classify", inputs=tokens, outputs=CLASSES, tokenizer=path)
    elif role == "generate":
        model = recipe.generator(4, PIXELS)
        described = describe(role="generate", outputs=PIXELS, latent_dim=4)
    elif role == "language":
        model = recipe.language_model(tokens)
        described = describe(role="language", outputs=tokens, tokenizer=path)
    else:
        model = recipe.translator(tokens)
        described = describe(role="translate", outputs=tokens, tokenizer=path)
    export(model, described, folder)
    return model.eval()


def load(path: Path) -> Any:
    return torch.export.load(path).module()


# Tracing handles recurrent layers differently, and a decoder alone goes on with its memory: both are always tested.
@pytest.mark.parametrize(
    "family", ["rnn", "alone", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cnn", "transformer"))]
)
def test_text_programs_take_any_batch_and_length(family: str, tmp_path: Path, tokenizer: tuple[Path, Tokens]) -> None:
    classify = export_role("rnn" if family == "alone" else family, "classify texts", tmp_path / "texts", tokenizer)
    classes = load(tmp_path / "texts" / "classify.pt2")
    language = export_role(family, "language", tmp_path / "language", tokenizer)
    program, step = (load(tmp_path / "language" / f"{name}.pt2") for name in ("language", "step"))
    translate = export_role(family, "translate", tmp_path / "translate", tokenizer)
    encode, decode, decode_step = (
        load(tmp_path / "translate" / f"{name}.pt2") for name in ("encode", "decode", "step")
    )
    for batch, length in ((1, 2), (1, 4), (5, 24), (2, 11)):
        ids = torch.randint(4, 280, (batch, length))
        with torch.no_grad():
            torch.testing.assert_close(classes(ids), classify(ids), rtol=1e-3, atol=1e-4)
            next_logits, state = program(ids)
            torch.testing.assert_close(next_logits, language(ids)[0][:, -1], rtol=1e-3, atol=1e-4)
            after = language(torch.cat((ids, ids[:, :1]), 1))[0][:, -1]
            if length < tokenizer[1].context:
                torch.testing.assert_close(step(ids[:, :1], state)[0], after, rtol=1e-3, atol=1e-4)
            target = ids[:, : length // 2]
            memory = encode(ids)
            next_logits, state = decode(target, memory)
            torch.testing.assert_close(next_logits, translate(ids, target)[:, -1], rtol=1e-3, atol=1e-4)
            after = translate(ids, torch.cat((target, ids[:, -1:]), 1))[:, -1]
            found, _ = decode_step(ids[:, -1:], memory, state)
            torch.testing.assert_close(found, after, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_image_programs_take_any_batch(family: str, tmp_path: Path, tokenizer: tuple[Path, Tokens]) -> None:
    classify = export_role(family, "classify", tmp_path / "classify", tokenizer)
    generate = export_role(family, "generate", tmp_path / "generate", tokenizer)
    x, z = torch.randint(0, 256, (7, 12, 12, 1), dtype=torch.uint8), torch.randn(7, 4)
    with torch.no_grad():
        for n in (1, 7):
            logits = load(tmp_path / "classify" / "classify.pt2")(x[:n])
            torch.testing.assert_close(logits, classify(x[:n]), rtol=1e-3, atol=1e-4)
            images = load(tmp_path / "generate" / "generate.pt2")(z[:n])
            torch.testing.assert_close(images, generate(z[:n]), rtol=1e-3, atol=1e-4)


def test_other_cells_and_inputs(tmp_path: Path, tokenizer: tuple[Path, Tokens]) -> None:
    for cell in ("gru", "plain"):
        export_role("rnn", "language", tmp_path / cell, tokenizer, cell=cell)
    model = net("rnn").classifier(SERIES, CLASSES)
    export(model, describe(role="classify", inputs=SERIES, outputs=CLASSES), tmp_path / "series")
    model = net("transformer", position="learned").classifier(COLOURED, CLASSES)
    export(model, describe(role="classify", inputs=COLOURED, outputs=CLASSES), tmp_path / "coloured")
    assert json.loads((tmp_path / "coloured" / "model.json").read_text())["shape"] == [12, 12, 3]


def test_an_export_leaves_the_model_unchanged(tmp_path: Path) -> None:
    model = net("cnn").classifier(PIXELS, CLASSES).train()
    export(model, describe(role="classify", inputs=PIXELS, outputs=CLASSES), tmp_path)
    assert model.training
    assert all(weight.requires_grad for weight in model.parameters())


def test_a_model_that_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    class Moody(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.float().flatten(1)[:, :3] if x.sum() > 10 else x.float().flatten(1)[:, 3:6]

    with pytest.raises(QuartetError, match=r"torch\.export cannot follow Moody"):
        export(Moody(), describe(role="classify", inputs=PIXELS, outputs=CLASSES), tmp_path)


@pytest.mark.parametrize(("kind", "spaced"), [("subword", False), ("subword", True), ("character", False)])
def test_the_exported_tokenizer_equals_the_datas(kind: Any, spaced: bool, tmp_path: Path) -> None:
    data = train_tokenizer(TEXT, kind=kind, vocabulary=280, spaced=spaced)
    data.save(tmp_path / "tokenizer.json")
    engine = portable(json.loads((tmp_path / "tokenizer.json").read_text()))
    for text in ("the cat eats", "Katze\n  frisst ", "ein <pad> Hund"):
        ids = data.encode(text)
        assert engine.encode(text).ids == ids
        if 3 not in ids:
            assert engine.decode(ids) == data.decode(ids) == text


PREDICT = """
import json, sys, warnings, numpy as np
import mlflow
assert "quartet" not in sys.modules
uris = json.loads(sys.argv[2])
mlflow.set_tracking_uri(sys.argv[1])
def load(role):
    return mlflow.pyfunc.load_model(uris[role])
said = {}
classify = load("classify")
texts = load("classify texts")
said["texts"] = texts.predict(["the cat", "a dog eats the dog " * 9]).to_dict("list")
said["text"] = texts.predict(" the cat\\n").to_dict("list")
said["classes"] = classify.predict(np.zeros((3, 12, 12), np.uint8)).to_dict("list")
language = load("language")
said["go on"] = list(language.predict("the cat", params={"tokens": 5, "seed": 1}))
said["same"] = list(language.predict(["the cat"], params={"tokens": 5, "seed": 1}))
said["greedy"] = list(language.predict(["the cat", "a dog eats the"], params={"tokens": 4, "temperature": 0.0}))
said["alone"] = list(language.predict(["a dog eats the"], params={"tokens": 4, "temperature": 0.0}))
said["empty"] = list(language.predict([""], params={"tokens": 40}))
translate = load("translate")
said["beam"] = list(translate.predict(["the cat eats the dog", "a dog"], params={"max_ratio": 0.0, "max_extra": 6}))
said["one"] = list(translate.predict("a dog", params={"num_beams": 1, "max_ratio": 0.0, "max_extra": 6}))
said["capped"] = list(translate.predict("a dog", params={"num_beams": 1, "max_extra": 100_000}))
generate = load("generate")
images = generate.predict(np.array([3]), params={"seed": 4})
again = generate.predict(np.array([3]), params={"seed": 4})
said["images"] = [list(images.shape), str(images.dtype), bool((images == again).all())]
assert "quartet" not in sys.modules
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, tokenizer: tuple[Path, Tokens]) -> tuple[str, dict[str, str]]:
    """Return the uri of a store with a model of each role, and the models' uris."""
    folder = tmp_path_factory.mktemp("stored")
    store = MLflow(uri=f"sqlite:///{folder}/mlflow.db", experiment="quartet", system_metrics=False, model=True)
    uris, families = (
        {},
        {"classify": "cnn", "classify texts": "rnn", "language": "rnn", "translate": "transformer", "generate": "cnn"},
    )
    for role, family in families.items():
        run = store.start(name=role, params={}, tags={})
        export_role(family, role, folder / role, tokenizer)
        assert str(store.model(run, folder / role)).startswith("models:/")
        uris[role] = f"runs:/{run}/model"
    return store.uri, uris


def test_stored_models_predict_from_raw_input_in_another_process(
    tmp_path: Path, stored: tuple[str, dict[str, str]]
) -> None:
    uri, uris = stored
    away = tmp_path / "away"
    away.mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-I", "-c", PREDICT, uri, json.dumps(uris)]
    done = subprocess.run(command, cwd=away, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    predicted = json.loads(done.stdout.splitlines()[-1])
    assert len(predicted["classes"]["label"]) == 3
    assert set(predicted["classes"]["label"]) <= set(CLASSES.names)
    assert all(1 / 3 <= share <= 1 for share in predicted["classes"]["confidence"])
    assert set(predicted["texts"]["label"]) <= set(CLASSES.names)
    assert predicted["text"]["label"] == predicted["texts"]["label"][:1]  # a long text beside it changes nothing
    assert predicted["text"]["confidence"] == pytest.approx(predicted["texts"]["confidence"][:1], rel=1e-5)
    assert predicted["go on"] == predicted["same"]
    assert predicted["go on"][0].startswith("the cat")
    assert predicted["greedy"][1] == predicted["alone"][0]  # other sentences in the batch do not change a continuation
    assert len(predicted["beam"]) == 2
    assert len(predicted["one"]) == 1
    assert len(predicted["capped"]) == 1  # the context of 24 tokens ends it, or this would take hours
    assert predicted["images"] == [[3, 12, 12, 1], "uint8", True]


def test_requirements_and_signature_are_explicit(stored: tuple[str, dict[str, str]]) -> None:
    import mlflow

    uri, uris = stored
    mlflow.set_tracking_uri(uri)
    folder = Path(mlflow.artifacts.download_artifacts(uris["language"]))
    info = mlflow.models.get_model_info(str(folder))
    assert info.signature is not None
    assert {param.name for param in info.signature.params} >= {"temperature", "top_p"}
    packages = (folder / "requirements.txt").read_text()
    assert "torch==" in packages
    assert "tokenizers==" in packages
    assert (folder / "input_example.json").exists()
    assert not list(folder.rglob("*.pkl"))
