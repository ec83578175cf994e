"""Predict with the champion of a task, or with any trained run: classify, language, translate, generate.

quartet predict classify image.png more/                 print the classes of pictures
quartet predict classify --text "Who is it?" more.txt    print the classes of a text, and of each line of a file
quartet predict language "The cat eats" --tokens 100     continue a text
quartet predict translate "Save the file."               translate a text; - reads lines from standard input
quartet predict generate --count 64 out.png              draw 64 samples into one picture
quartet predict mine.Score --from runs/mine-0-…          use a role of your own: the dotted path of its class
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quartet import roles
from quartet_app.cli import typed_path, typed_source


def parser(own: tuple[str, ...] = ()) -> argparse.ArgumentParser:
    """Return the parser of the shipped roles and of a user's `own` roles, named by dotted paths."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--from",
        dest="source",
        metavar="MODEL",
        type=typed_source,
        help="a run's folder, or an MLflow URI: models:/… or runs:/…/model",
    )
    shared.add_argument("--data", metavar="NAME", help="take the champion on this data set, not that of the task")
    shared.add_argument("--json", action="store_true", help="print JSON, one line for each prediction")
    whole = argparse.ArgumentParser(
        prog="quartet predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = whole.add_subparsers(dest="role", required=True)
    for name in (*roles.SHIPPED, *own):
        role = roles.find(name)
        subparser = commands.add_parser(name, parents=[shared], help=role.HELP)
        subparser.register("type", Path, typed_path)  # a relative path counts from where the command was typed
        role.add_arguments(subparser)
    return whole


def main(arguments: list[str]) -> None:
    """Run `quartet predict`."""
    own = tuple(name for name in arguments[:1] if all(part.isidentifier() for part in name.split(".")) and "." in name)
    args = parser(own).parse_args(arguments)
    from quartet_app.predict.answers import answer

    answer(args)
