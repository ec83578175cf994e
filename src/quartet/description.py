"""What goes into a trained model and what comes out, in plain JSON: with its weights, all that predicting takes.

`model.json` beside `model.safetensors` holds it. Neither can carry code, so that a model may come from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quartet.renamed import upgraded
from quartet.types import UNK, Classes, Pixels, QuartetError, Series, Tokens

if TYPE_CHECKING:
    import tokenizers

Role = Literal["classify", "language", "translate", "generate"]
ROLES = ("classify", "language", "translate", "generate")
FILE = "model.json"


def describe(
    *,
    role: Role,
    inputs: Pixels | Series | Tokens | None,
    outputs: Classes | Pixels | Tokens,
    net: Mapping[str, Any] | None = None,
    latent_dim: int | None = None,
    tokenizer: Path | None = None,
    example: Sequence[str] = ("The cat eats",),
    params: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The description of a model.

    Args:
        inputs, outputs: the data's specs; a generator has no inputs.
        net: the recipe, as in conf/net/.
        latent_dim: size of a generator's input.
        tokenizer: the data's tokenizer.json, for "language" and "translate".
        example: sentences to show how the model is used, for the same two.
        params: how the task decodes, as the defaults of `predict` for the same two; else those of the script.
    """
    described: dict[str, Any] = {"role": role, "net": dict(net or {})}
    if role == "classify":
        assert isinstance(inputs, Pixels | Series)
        assert isinstance(outputs, Classes)
        described |= {"dtype": inputs.dtype, "shape": list(inputs.shape)}
        described |= {"inputs": asdict(inputs), "classes": list(outputs.names)}
    elif role == "generate":
        assert isinstance(outputs, Pixels)
        described |= {"latent_dim": latent_dim, "shape": list(outputs.shape), "outputs": asdict(outputs)}
    else:
        assert isinstance(outputs, Tokens)
        assert tokenizer is not None
        engine = portable(json.loads(tokenizer.read_text(encoding="utf-8")))
        described |= {"vocabulary": outputs.vocabulary, "context": outputs.context, "example": list(example)}
        described |= {"params": dict(params or {}), "tokenizer": json.loads(engine.to_str())}
    return described


def inputs_of(described: Mapping[str, Any]) -> Pixels | Series | Tokens:
    """What goes into the model that is `described`; of a generator, what comes out."""
    if "vocabulary" in described:
        return Tokens(vocabulary=described["vocabulary"], context=described["context"])
    spec = described.get("outputs") or described["inputs"]
    spec = {**spec, **{key: tuple(spec[key]) for key in ("mean", "std") if key in spec}}
    return Series(**spec) if "length" in spec else Pixels(**spec)


def read(folder: Path) -> dict[str, Any]:
    """The description in a folder. Raises QuartetError where there is none."""
    try:
        described = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if described["role"] in ROLES:
            if "noise" in described:  # its name before
                described["latent_dim"] = described.pop("noise")
            return {**described, "net": upgraded(described.get("net") or {}, "net")}
        reason = f"role {described['role']!r}"
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = "it is not there" if isinstance(error, FileNotFoundError) else str(error)
    raise QuartetError(
        f"{folder}: no model to predict with: {FILE}: {reason}\n"
        "Give the folder of a finished run; one that was trained before there was this file, train again"
    )


def portable(data: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """The data's tokenizer (kind, tokens, merges, spaced) as one of the package `tokenizers`, which loads anywhere."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    ids = {token: i for i, token in enumerate(data["tokens"])}
    if data["kind"] == "character":
        engine = Tokenizer(models.WordLevel(ids, unk_token=data["tokens"][UNK]))
        engine.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        engine.decoder = decoders.Fuse()
        return engine
    engine = Tokenizer(models.BPE(vocab=ids, merges=[(a, b) for a, b in data["merges"]]))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    if data["spaced"]:
        engine.normalizer = normalizers.Prepend(" ")
        engine.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    return engine
