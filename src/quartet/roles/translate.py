"""The role `translate`: sentences to their translations."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from quartet.roles import text
from quartet.roles.role import Described, Load
from quartet.roles.shapes import say

if TYPE_CHECKING:
    import argparse

    from torch import nn


class Translate(text.TextRole):
    """Translate sentences by beam search."""

    HELP = "sentences in the other language"
    SCRIPT = "quartet.serving.translate"
    PREDICTOR = "Translator"

    def rebuild(self, net: Any, described: Described) -> nn.Module:
        return net.translator(text.tokens_of(described))  # type: ignore[no-any-return]

    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        from quartet.roles.programs import Decode, DecodeStep, Encode

        return {"encode": Encode(model), "decode": Decode(model), "step": DecodeStep(model)}

    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        tokens = text.tokens_of(described)
        source_BS, next_B1 = text.example_ids(tokens, batch, length), text.example_ids(tokens, batch, 1)
        memory = programs["encode"](source_BS)
        target_BT = text.example_ids(tokens, batch, max(1, length - 1))
        return {
            "encode": (source_BS,),
            "decode": (target_BT, memory),
            "step": (next_B1, memory, programs["decode"](target_BT, memory)[1]),
        }

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("sentences", nargs="*", help="none, or -, for lines of standard input")
        parser.add_argument("--num-beams", type=int, help="hypotheses searched side by side; 1 is greedy")
        parser.add_argument("--length-penalty", type=float, help="higher favours longer translations")

    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        predictor, _ = load()
        for sentence in lines() if chosen.sentences in ([], ["-"]) else chosen.sentences:
            params = text.given(chosen, "num_beams", "length_penalty")
            found = predictor.predict(None, sentence, params)[0] if sentence.strip() else ""
            if chosen.json:
                say({"source": sentence, "translation": found})
            else:
                print(found, flush=True)


def lines() -> Iterator[str]:
    """Yield the lines of standard input."""
    for line in sys.stdin:
        yield line.rstrip("\r\n")
