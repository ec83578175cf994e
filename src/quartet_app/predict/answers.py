"""Answer what `quartet predict` asks: classes, continuations, translations, pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from quartet.types import QuartetError

TOP = 3  # classes shown
BATCH = 256  # pictures read at once


def classify(chosen: argparse.Namespace) -> None:
    import numpy as np

    from quartet_app.predict.inputs import examples

    for path in chosen.files:
        if not path.exists():
            raise QuartetError(f"{path}: no such file or folder")
    predictor, known = load(chosen)
    given = examples(chosen.files, known["described"])
    while part := list(islice(given, BATCH)):
        for (name, _), p_K in zip(part, predictor.probabilities(np.stack([x for _, x in part])), strict=True):
            best = [(predictor.classes[i], float(p_K[i])) for i in np.argsort(-p_K, kind="stable")[:TOP]]
            if chosen.json:
                say({"file": name, "classes": [{"class": label, "probability": share} for label, share in best]})
            else:
                print(name, *(f"{label} {share:.3f}" for label, share in best), sep="\t", flush=True)


def language(chosen: argparse.Namespace) -> None:
    predictor, _ = load(chosen)
    prompt = sys.stdin.read() if chosen.prompt == "-" else chosen.prompt
    pieces = predictor.stream(prompt, given(chosen, "tokens", "temperature", "top_p", "seed"))
    if chosen.json:
        say({"prompt": prompt, "continuation": "".join(pieces)})
        return
    print(prompt, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def translate(chosen: argparse.Namespace) -> None:
    predictor, _ = load(chosen)
    for sentence in lines() if chosen.sentences in ([], ["-"]) else chosen.sentences:
        params = given(chosen, "num_beams", "length_penalty")
        found = predictor.predict(None, sentence, params)[0] if sentence.strip() else ""
        if chosen.json:
            say({"source": sentence, "translation": found})
        else:
            print(found, flush=True)


def generate(chosen: argparse.Namespace) -> None:
    import numpy as np

    if not chosen.out.parent.is_dir() or chosen.out.suffix.lower() != ".png":
        raise QuartetError(f"{chosen.out}: give the name of a .png in a folder that is there")
    predictor, known = load(chosen)
    images = predictor.predict(None, np.array([chosen.count]), {"seed": chosen.seed})
    grid(images).save(chosen.out)
    if chosen.json:
        say({"file": str(chosen.out), "count": chosen.count, "seed": chosen.seed, "model": known["model"]})
    else:
        print(chosen.out)


def load(chosen: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    from quartet_app.predict import predictor

    if chosen.source is not None and chosen.data is not None:
        raise QuartetError("--from and --data: give one of them; --data chooses among champions")
    loaded, known = predictor.load(chosen.role, source=chosen.source, data=chosen.data)
    facts = [f"{key} {known[key]}" for key in ("version", "net", "data", "seed") if key in known]
    print(f"{known['model']}{': ' if facts else ''}{', '.join(facts)}", file=sys.stderr)
    return loaded, known


def grid(images: Any) -> Any:
    """Images (N, H, W, C) as one picture, near square, row by row."""
    import numpy as np
    from PIL import Image

    count, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    whole = np.zeros((rows * columns, height, width, channels), np.uint8)
    whole[:count] = images
    sheet = whole.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def given(chosen: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}


def say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, ensure_ascii=False), flush=True)


@contextmanager
def refusals() -> Iterator[None]:
    """What a served model would answer with a 400 is a refusal here; whoever reads the answers may stop reading."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try once more when it ends
    except ModuleNotFoundError as error:
        raise QuartetError(f"{error}: predicting takes the extra pipeline: pip install -e '.[pipeline]'") from error
    except Exception as error:
        exceptions = sys.modules.get("mlflow.exceptions")
        if exceptions is not None and isinstance(error, exceptions.MlflowException):
            raise QuartetError(error.message) from error
        raise


def answer(chosen: argparse.Namespace) -> None:
    """Print the answers of the model of `chosen.role`; what a served model would refuse is a QuartetError."""
    work = {"classify": classify, "language": language, "translate": translate, "generate": generate}
    with refusals():
        work[chosen.role](chosen)
