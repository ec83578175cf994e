"""Print the shell code that completes `quartet`: eval "$(quartet completion bash)", or zsh, fish, tcsh."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from quartet_app.commands import COMMANDS

SHELLS = ("bash", "zsh", "fish", "tcsh")


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(prog="quartet completion", description=__doc__)
    argument_parser.add_argument("shell", nargs="?", default="bash", choices=SHELLS)
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_args(arguments)
    from argcomplete import shellcode

    print(shellcode(["quartet"], shell=args.shell))


def complete() -> None:
    """Answer a shell's request for completions and exit. argcomplete's variables hold the command line so far."""
    import argcomplete

    argcomplete.autocomplete(whole_parser(), always_complete_options=False)


def whole_parser() -> argparse.ArgumentParser:
    """Return a parser of all commands; those that take overrides complete them as Hydra does."""
    from importlib import import_module

    whole = argparse.ArgumentParser(prog="quartet")
    parsers = whole.add_subparsers()
    for name, about in COMMANDS.items():
        module = import_module(f"quartet_app.commands.{name}")
        make_parser = getattr(module, "parser", None)
        command = parsers.add_parser(name, parents=[make_parser()] if make_parser else [], add_help=False, help=about)
        overrides_argument = next((action for action in command._actions if action.dest == "overrides"), None)
        if make_parser is None:
            overrides_argument = command.add_argument("overrides", nargs="*")
        if overrides_argument is not None:
            overrides_argument.completer = complete_overrides  # type: ignore[attr-defined]
    return whole


def complete_overrides(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Sequence[str]:
    """Return Hydra's completions of `prefix`, which may depend on the overrides before it."""
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra.core.global_hydra import GlobalHydra

    from quartet_app.config.composing import hydra_ready

    with hydra_ready():
        loader = GlobalHydra.instance().config_loader()
        before = " ".join(word for word in getattr(parsed_args, "overrides", None) or [] if "=" in word)
        completions = BashCompletion(loader)._query("config", f"{before} {prefix}".lstrip())
    return [completion for completion in completions if completion.startswith(prefix)]
