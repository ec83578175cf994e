"""The role `translate`: sentences to their translations."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quartet.roles import text
from quartet.roles.role import Described, Load
from quartet.roles.shapes import say
from quartet.types import QuartetError

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
        """Print a line for each sentence, an empty one for a sentence that cannot be translated.

        Such a sentence is named on stderr, and the others are translated all the same. QuartetError at the end.
        """
        predictor, known = load()
        params = text.given(chosen, "num_beams", "length_penalty")
        self.script(known["described"]).checked(predictor.params | params)
        given = None if chosen.sentences in ([], ["-"]) else chosen.sentences
        count = refused = 0
        for count, sentence in enumerate(text.lines() if given is None else given, 1):
            try:
                found = translation(predictor, sentence, params)
            except QuartetError as error:
                if given == [sentence]:
                    raise
                print(f"sentence {count}: {error}", file=sys.stderr, flush=True)
                found, refused = None, refused + 1
            if chosen.json:
                say({"source": sentence, "translation": found})
            else:
                print(found or "", flush=True)
        if refused:
            raise QuartetError(f"{refused} of {count} sentences could not be translated; their messages are above")


def translation(predictor: Any, sentence: str, params: Mapping[str, Any]) -> str:
    """Return the translation of one sentence, "" for an empty one; QuartetError where it cannot be translated."""
    try:
        return predictor.predict(None, text.checked_text(sentence), params)[0] if sentence.strip() else ""
    except Exception as error:
        if getattr(error, "error_code", None) != "INVALID_PARAMETER_VALUE":  # what a server answers with status 400
            raise
        raise QuartetError(str(getattr(error, "message", error))) from error
