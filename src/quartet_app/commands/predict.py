"""Predict with the champion of a task, or with any trained run: classify, language, translate, generate.

quartet predict classify image.png more/                 the classes of pictures
quartet predict language "The cat eats" --tokens 100     how a text goes on, as it is written
quartet predict translate "Save the file."               or - : lines from standard input
quartet predict generate --count 64 out.png              a picture of so many
quartet predict mine.Score --from runs/mine-0-…          a role of your own, by the dotted path of its class
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quartet import roles
from quartet_app.cli import typed_path, typed_source


def parser(own: tuple[str, ...] = ()) -> argparse.ArgumentParser:
    """Return the parser of the shipped roles, and of a user's `own`, named by dotted paths."""
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
    commands = whole.add_subparsers(dest="role", required=True)
    for name in (*roles.SHIPPED, *own):
        role = roles.find(name)
        one = commands.add_parser(name, parents=[shared], help=role.HELP)
        one.register("type", Path, typed_path)  # a role's `type=Path` is a path as typed
        role.add_arguments(one)
    return whole


def main(arguments: list[str]) -> None:
    own = tuple(word for word in arguments[:1] if all(part.isidentifier() for part in word.split(".")) and "." in word)
    chosen = parser(own).parse_args(arguments)
    from quartet_app.predict.answers import answer

    answer(chosen)
