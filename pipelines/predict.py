"""Predict with the champion of a task, or with any trained run: classify, language, translate, generate.

python pipelines/predict.py classify image.png more/                 the classes of pictures
python pipelines/predict.py language "The cat eats" --tokens 100     how a text goes on, as it is written
python pipelines/predict.py translate "Save the file."               or - : lines from standard input
python pipelines/predict.py generate --count 64 out.png              a picture of so many
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from pipelines import cli
from quartet.types import QuartetError

TOP = 3  # classes shown
BATCH = 256  # pictures read at once


def classify(chosen: argparse.Namespace) -> None:
    import numpy as np

    from pipelines.examples import examples

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
        params = given(chosen, "beams", "length_penalty")
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
    from pipelines import predictor

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


def parser() -> argparse.ArgumentParser:
    about, _, usage = (__doc__ or "").partition("\n")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--from", dest="source", metavar="MODEL", help="a run's folder, or models:/… or runs:/…/model")
    shared.add_argument("--data", metavar="NAME", help="the champion on this data set; else the task's")
    shared.add_argument("--json", action="store_true", help="JSON, a line for each answer")
    whole = argparse.ArgumentParser(
        prog="predict.py", description=about, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    roles = whole.add_subparsers(dest="role", required=True)
    one = roles.add_parser("classify", parents=[shared], help="files, and the likeliest classes of each")
    one.add_argument("files", nargs="+", type=Path, help="pictures, or folders of them; for series .npy or .csv")
    one = roles.add_parser("language", parents=[shared], help="how a text goes on")
    one.add_argument("prompt", help="its beginning; - for standard input")
    one.add_argument("--tokens", type=int, help="how many to add")
    one.add_argument("--temperature", type=float, help="0 takes the likeliest token always")
    one.add_argument("--top-p", type=float, help="draw among the likeliest tokens of this probability")
    one.add_argument("--seed", type=int)
    one = roles.add_parser("translate", parents=[shared], help="sentences in the other language")
    one.add_argument("sentences", nargs="*", help="none, or -, for lines of standard input")
    one.add_argument("--beams", type=int, help="hypotheses searched side by side; 1 is greedy")
    one.add_argument("--length-penalty", type=float, help="higher favours longer translations")
    one = roles.add_parser("generate", parents=[shared], help="a grid of new images")
    one.add_argument("out", type=Path, help="the .png to write")
    one.add_argument("--count", type=int, default=64)
    one.add_argument("--seed", type=int, default=0)
    return whole


def main(arguments: list[str]) -> None:
    chosen = parser().parse_args(arguments)
    work = {"classify": classify, "language": language, "translate": translate, "generate": generate}
    with refusals():
        work[chosen.role](chosen)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
