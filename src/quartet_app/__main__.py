"""Run the `quartet` command. It imports a subcommand only when it runs it, so that help and refusals are quick."""

# PYTHON_ARGCOMPLETE_OK
from __future__ import annotations

import os
import sys
from importlib import import_module

from quartet_app import cli
from quartet_app.commands import COMMANDS


def main() -> None:
    """Run the subcommand that `sys.argv` names."""
    if "_ARGCOMPLETE" in os.environ:
        from quartet_app.commands.completion import complete

        complete()
    cli.run(subcommand, sys.argv[1:])


def subcommand(arguments: list[str]) -> None:
    """Run the subcommand that comes first in `arguments`, or print help or the version; QuartetError for another."""
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(help_text())
    elif arguments[0] in ("--version", "-V"):
        from importlib.metadata import version

        print(f"quartet {version('quartet')}")
    elif arguments[0] not in COMMANDS:
        from quartet.types import QuartetError
        from quartet_app.near import did_you_mean

        raise QuartetError(f"quartet {arguments[0]}: no such command; {did_you_mean(arguments[0], COMMANDS)}")
    else:
        cli.enter_table()
        import_module(f"quartet_app.commands.{arguments[0]}").main(arguments[1:])


def help_text() -> str:
    """Return the text of `quartet --help`: a line for each subcommand."""
    wide = max(map(len, COMMANDS))
    return "\n".join(
        [
            "Which architecture is right for my data? CNN, RNN, Transformer and GAN, trained, tuned and compared.",
            "",
            "  quartet COMMAND …          quartet COMMAND --help says more",
            "",
            *(f"  {name:{wide}}  {about}" for name, about in COMMANDS.items()),
        ]
    )


if __name__ == "__main__":
    main()
