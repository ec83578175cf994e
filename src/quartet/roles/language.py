"""The role `language`: a text to its continuation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quartet.roles import text
from quartet.roles.role import Described, Load
from quartet.roles.shapes import say

if TYPE_CHECKING:
    import argparse

    from torch import nn


class Language(text.TextRole):
    """Continue a text, token by token."""

    HELP = "how a text goes on"
    SCRIPT = "quartet.serving.language"
    PREDICTOR = "Writer"

    def rebuild(self, net: Any, described: Described) -> nn.Module:
        return net.language_model(text.tokens_of(described))  # type: ignore[no-any-return]

    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        from quartet.roles.programs import Begin, Step

        return {"language": Begin(model), "step": Step(model)}

    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        tokens = text.tokens_of(described)
        given_BT, next_B1 = text.example_ids(tokens, batch, length), text.example_ids(tokens, batch, 1)
        return {"language": (given_BT,), "step": (next_B1, programs["language"](given_BT)[1])}

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("prompt", help="its beginning; - for standard input")
        parser.add_argument("--tokens", type=int, help="how many to add")
        parser.add_argument("--temperature", type=float, help="0 takes the likeliest token always")
        parser.add_argument("--top-p", type=float, help="draw among the likeliest tokens of this probability")
        parser.add_argument("--seed", type=int)

    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        predictor, _ = load()
        prompt = text.checked_text(text.standard_input().read() if chosen.prompt == "-" else chosen.prompt)
        pieces = predictor.stream(prompt, text.given(chosen, "tokens", "temperature", "top_p", "seed"))
        if chosen.json:
            say({"prompt": prompt, "continuation": "".join(pieces)})
            return
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
