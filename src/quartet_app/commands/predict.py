"""Predict with the champion of a task, or with any trained run: classify, language, translate, generate.

quartet predict classify image.png more/                 the classes of pictures
quartet predict language "The cat eats" --tokens 100     how a text goes on, as it is written
quartet predict translate "Save the file."               or - : lines from standard input
quartet predict generate --count 64 out.png              a picture of so many
"""

from __future__ import annotations

import argparse

from quartet_app.cli import typed_path, typed_source


def parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--from",
        dest="source",
        metavar="MODEL",
        type=typed_source,
        help="a run's folder, or models:/… or runs:/…/model",
    )
    shared.add_argument("--data", metavar="NAME", help="the champion on this data set; else the task's")
    shared.add_argument("--json", action="store_true", help="JSON, a line for each answer")
    whole = argparse.ArgumentParser(
        prog="quartet predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    roles = whole.add_subparsers(dest="role", required=True)
    one = roles.add_parser("classify", parents=[shared], help="files, and the likeliest classes of each")
    one.add_argument("files", nargs="+", type=typed_path, help="pictures, or folders of them; for series .npy or .csv")
    one = roles.add_parser("language", parents=[shared], help="how a text goes on")
    one.add_argument("prompt", help="its beginning; - for standard input")
    one.add_argument("--tokens", type=int, help="how many to add")
    one.add_argument("--temperature", type=float, help="0 takes the likeliest token always")
    one.add_argument("--top-p", type=float, help="draw among the likeliest tokens of this probability")
    one.add_argument("--seed", type=int)
    one = roles.add_parser("translate", parents=[shared], help="sentences in the other language")
    one.add_argument("sentences", nargs="*", help="none, or -, for lines of standard input")
    one.add_argument("--num-beams", type=int, help="hypotheses searched side by side; 1 is greedy")
    one.add_argument("--length-penalty", type=float, help="higher favours longer translations")
    one = roles.add_parser("generate", parents=[shared], help="a grid of new images")
    one.add_argument("out", type=typed_path, help="the .png to write")
    one.add_argument("--count", type=int, default=64)
    one.add_argument("--seed", type=int, default=0)
    return whole


def main(arguments: list[str]) -> None:
    chosen = parser().parse_args(arguments)
    from quartet_app.predict.answers import answer

    answer(chosen)
