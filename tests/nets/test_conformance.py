"""What every family must do in every role it declares. A new one takes part by its file in conf/net/."""

import warnings
from typing import Any

import pytest
import torch
from running import recipe
from torch import Tensor, nn
from torch.export import Dim, export
from torch.utils import _pytree as pytree

from quartet.nets import Net
from quartet.types import BOS, EOS, PAD, UNK, Classes, Pixels, QuartetError, Series, Tokens
from quartet_app.config.project import CONF

PIXELS = Pixels(height=18, width=14, channels=3, mean=(90.0, 100.0, 110.0), std=(60.0, 70.0, 80.0))
GREY = Pixels(height=28, width=28, channels=1, mean=(72.0,), std=(90.0,))
SERIES = Series(length=22, channels=2)
CLASSES = Classes(names=("a", "b", "c"))
TOKENS = Tokens(vocabulary=23, context=12)
NOISE = 5

# Small versions of the shipped recipes; a family that is not named here takes part with its defaults.
SMALL: dict[str, list[dict[str, Any]]] = {
    "cnn": [
        {"width": 8, "layers": 3, "cycle": 2},
        {
            "width": 10,
            "layers": 2,
            "norm": "group",
            "pool": "stride",
            "depth": 0,
            "gated": False,
            "tie_embeddings": False,
        },
        {"width": 8, "layers": 2, "norm": "layer", "pool": "none", "discriminator_norm": "batch", "spectral": True},
    ],
    "rnn": [
        {"width": 8, "cell": "lstm"},
        {"width": 9, "cell": "gru", "residual": True, "layers": 3},
        {"width": 8, "cell": "plain", "tie_embeddings": False, "spectral": True},
    ],
    "transformer": [
        {"width": 16, "heads": 2, "position": "rotary"},
        {"width": 16, "heads": 2, "position": "sinusoidal", "activation": "relu", "tie_embeddings": False},
        {"width": 16, "heads": 2, "position": "learned", "norm": "rms", "activation": "silu"},
        {"width": 16, "heads": 2, "position": "none", "patch": 5, "steps": 3, "spectral": True},
    ],
    "mlp": [{"width": 8}, {"width": 8, "norm": "layer", "layers": 1, "spectral": True}],
}


RECIPES = [
    pytest.param(recipe(family, **changes), id=f"{family}{i}")
    for family in sorted(path.stem for path in (CONF / "net").glob("*.yaml"))
    for i, changes in enumerate(SMALL.get(family, [{}]))
]

# A Transformer that no file of conf/net/ names.
ALONE = "quartet.nets.DecoderOnlyTransformer"
RECIPES += [
    pytest.param(recipe("transformer", width=16, heads=2, _target_=ALONE, position=position), id=f"alone{i}")
    for i, position in enumerate(("rotary", "sinusoidal", "learned"))
]


def asked(role: str) -> list[Any]:
    return [param for param in RECIPES if role in param.values[0].ROLES]  # type: ignore[union-attr]


def images(batch: int = 3, pixels: Pixels = PIXELS) -> Tensor:
    return torch.randint(0, 256, (batch, pixels.height, pixels.width, pixels.channels), dtype=torch.uint8)


def examples(inputs: Pixels | Series | Tokens, batch: int) -> Tensor:
    if isinstance(inputs, Tokens):
        return torch.arange(batch * inputs.context).reshape(batch, -1) % (inputs.vocabulary - UNK) + UNK
    return images(batch, inputs) if isinstance(inputs, Pixels) else torch.randn(batch, inputs.length, inputs.channels)


def words(*shape: int) -> Tensor:
    return torch.randint(UNK, TOKENS.vocabulary, shape)


def ready(model: nn.Module) -> Any:
    """In double precision, so that what must be equal is equal to many digits, and as it is used."""
    return model.double().eval()


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(7)


def every_parameter_learns(model: nn.Module, loss: Tensor) -> None:
    loss.backward()
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not idle


# Classify


@pytest.mark.parametrize("net", asked("classify"))
@pytest.mark.parametrize("pixels", [PIXELS, GREY])
def test_images_to_logits(net: Net, pixels: Pixels) -> None:
    model = net.classifier(pixels, CLASSES)
    x = images(4, pixels)
    assert model(x).shape == (4, 3)
    model.eval()
    assert model.features(x).shape[0] == 4
    close(model.head(model.features(x)), model(x))
    close(model(x), model(x.float()))


@pytest.mark.parametrize("net", asked("classify"))
def test_series_to_logits(net: Net) -> None:
    model = ready(net.classifier(SERIES, CLASSES))
    x = torch.randn(4, SERIES.length, SERIES.channels).double()
    assert model(x).shape == (4, 3)
    close(model(x)[1:2], model(x[1:2]))


@pytest.mark.parametrize("net", asked("classify"))
def test_only_a_convolution_shows_kernels(net: Net) -> None:
    kernels = net.classifier(PIXELS, CLASSES).kernels
    assert (kernels is not None) == (type(net).__name__ == "CNN")
    assert kernels is None or (kernels.ndim == 4 and kernels.shape[1] == PIXELS.channels)
    assert net.classifier(SERIES, CLASSES).kernels is None


@pytest.mark.parametrize("net", asked("classify"))
def test_padding_changes_no_class(net: Net) -> None:
    """A text alone, beside a long one, and beside nothing but padding: the same logits; another order, others."""
    model = ready(net.classifier(TOKENS, CLASSES))
    lengths = (1, 2, 5, 11)
    texts = [words(length) for length in lengths]
    together = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=PAD)
    logits = model(together)
    assert logits.shape == (4, 3)
    close(model.head(model.features(together)), logits)
    close(model(nn.functional.pad(together, (0, 1), value=PAD)), logits)
    for text, expected in zip(texts, logits, strict=True):
        close(model(text[None])[0], expected)
    assert not torch.equal(model(together.clamp(min=UNK)), logits)  # what is no padding does


@pytest.mark.parametrize("net", asked("classify"))
@pytest.mark.parametrize("inputs", [PIXELS, SERIES, TOKENS], ids=["images", "series", "text"])
def test_classifier_learns_everywhere(net: Net, inputs: Pixels | Series | Tokens) -> None:
    model = net.classifier(inputs, CLASSES)
    x = examples(inputs, 8)
    every_parameter_learns(model, nn.functional.cross_entropy(model(x), torch.arange(8) % 3))


# Language


@pytest.mark.parametrize("net", asked("language"))
def test_later_tokens_change_nothing_before(net: Net) -> None:
    model = ready(net.language_model(TOKENS))
    tokens = words(2, 9)
    logits, _ = model(tokens)
    assert logits.shape == (2, 9, TOKENS.vocabulary)
    for place in (1, 5, 8):
        changed = tokens.clone()
        changed[:, place:] = words(2, 9 - place)
        close(model(changed)[0][:, :place], logits[:, :place])
    changed = tokens.clone()
    changed[:, 0] = (changed[:, 0] + 1 - UNK) % (TOKENS.vocabulary - UNK) + UNK
    assert not torch.equal(model(changed)[0][:, 1], logits[:, 1])  # an earlier one does


@pytest.mark.parametrize("net", asked("language"))
@pytest.mark.parametrize("chunks", [[1] * 10, [4, 1, 5], [1, 9]], ids=str)
def test_steps_equal_the_whole(net: Net, chunks: list[int]) -> None:
    model = ready(net.language_model(TOKENS))
    tokens = words(2, 10)
    state, logits = None, []
    for chunk in tokens.split(chunks, 1):
        part, state = model(chunk, state)
        logits.append(part)
    close(torch.cat(logits, 1), model(tokens)[0])


@pytest.mark.parametrize("net", asked("language"))
def test_a_state_can_be_reordered(net: Net) -> None:
    model = ready(net.language_model(TOKENS))
    tokens, order, after = words(3, 6), torch.tensor([2, 0, 0, 1]), words(4, 2)
    _, state = model(tokens)
    reordered = pytree.tree_map(lambda part: part.index_select(0, order), state)
    close(model(after, reordered)[0], model(torch.cat((tokens[order], after), 1))[0][:, 6:])


@pytest.mark.parametrize("net", asked("language"))
def test_language_model_learns_everywhere(net: Net) -> None:
    model = net.language_model(TOKENS)
    tokens = torch.arange(TOKENS.vocabulary).reshape(1, -1).repeat(2, 1)[:, : TOKENS.context]
    tokens[1] += TOKENS.vocabulary - TOKENS.context
    every_parameter_learns(model, nn.functional.cross_entropy(model(tokens)[0].flatten(0, 1), tokens.flip(1).flatten()))


# Translate


def pair() -> tuple[Tensor, Tensor]:
    source = words(3, 7)
    source[0, 4:], source[1, 6:], source[2, 2:] = PAD, PAD, PAD
    source[0, 3], source[1, 5], source[2, 1] = EOS, EOS, EOS
    target = words(3, 6)
    target[:, 0] = BOS
    return source, target


@pytest.mark.parametrize("net", asked("translate"))
def test_padding_changes_nothing(net: Net) -> None:
    model = ready(net.translator(TOKENS))
    source, target = pair()
    logits = model(source, target)
    assert logits.shape == (3, 6, TOKENS.vocabulary)
    close(model(nn.functional.pad(source, (0, 3), value=PAD), target), logits)
    close(model(source[2:, :2], target[2:]), logits[2:])
    assert not torch.equal(model(source.clamp(min=UNK), target), logits)  # what is no padding does


@pytest.mark.parametrize("net", asked("translate"))
def test_masked_places_change_no_feature(net: Net) -> None:
    encoder = ready(net.encode(TOKENS))
    x = torch.randn(2, 6, encoder.width).double()
    mask = torch.arange(6) < torch.tensor([[3], [6]])
    other = torch.where(mask[..., None], x, torch.randn_like(x))
    close(encoder(other, mask)[mask], encoder(x, mask)[mask])


@pytest.mark.parametrize("net", asked("translate"))
def test_translation_is_causal_and_stepwise(net: Net) -> None:
    model = ready(net.translator(TOKENS))
    source, target = pair()
    logits = model(source, target)
    changed = target.clone()
    changed[:, 3:] = words(3, 3)
    close(model(source, changed)[:, :3], logits[:, :3])
    order = torch.tensor([1, 2, 0])
    memory, state = model.encode(source), None
    for i in range(6):  # as beam search does, reordering on the way
        step, state = model.decode(target[:, i : i + 1], memory, state)
        close(step[:, 0], logits[:, i])
        memory, state = pytree.tree_map(lambda part: part.index_select(0, order), (memory, state))
        target, logits = target[order], logits[order]


@pytest.mark.parametrize("net", asked("translate"))
def test_attention_is_a_distribution_over_the_source(net: Net) -> None:
    model = ready(net.translator(TOKENS))
    source, target = pair()
    attention = model.attention(source, target)
    assert attention.ndim == 4
    assert attention.shape[0] == 3
    assert attention.shape[2:] == (6, 7)
    close(attention.sum(-1), torch.ones_like(attention[..., 0]))
    assert not attention[0, :, :, 4:].any()


@pytest.mark.parametrize("net", asked("translate"))
def test_translator_learns_everywhere(net: Net) -> None:
    model = net.translator(TOKENS)
    source, target = pair()
    every_parameter_learns(model, nn.functional.cross_entropy(model(source, target).flatten(0, 1), target.flatten()))


# Generate and discriminate


@pytest.mark.parametrize("net", asked("generate"))
@pytest.mark.parametrize("pixels", [PIXELS, GREY])
def test_noise_to_images(net: Net, pixels: Pixels) -> None:
    model = net.generator(NOISE, pixels)
    z = torch.randn(4, NOISE)
    x = model(z)
    assert x.shape == (4, pixels.height, pixels.width, pixels.channels)
    assert x.abs().max() <= 1
    every_parameter_learns(model, (x * torch.randn_like(x)).sum())
    model = ready(model)
    z = z.double()
    close(model(z)[:1], model(z[:1]))
    assert not torch.equal(model(z)[0], model(z)[1])


@pytest.mark.parametrize("net", asked("discriminate"))
@pytest.mark.parametrize("pixels", [PIXELS, GREY])
def test_images_to_scores(net: Net, pixels: Pixels) -> None:
    model = net.discriminator(pixels)
    x = torch.rand(4, pixels.height, pixels.width, pixels.channels) * 2 - 1
    x.requires_grad_()
    score = model(x)
    assert score.shape == (4,)
    every_parameter_learns(model, nn.functional.softplus(score * torch.tensor([1.0, -1.0, 1.0, -1.0])).sum())
    assert x.grad is not None
    assert x.grad.flatten(1).any(1).all()  # the generator learns through it


# All


def models(net: Net) -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Every model of a net, with inputs."""
    source, target = pair()
    made: dict[str, Any] = {
        "classify": lambda: (net.classifier(PIXELS, CLASSES), (images(),)),
        "classify texts": lambda: (net.classifier(TOKENS, CLASSES), (words(3, 7),)),
        "language": lambda: (net.language_model(TOKENS), (words(3, 7),)),
        "translate": lambda: (net.translator(TOKENS), (source, target)),
        "generate": lambda: (net.generator(NOISE, PIXELS), (torch.randn(3, NOISE),)),
        "discriminate": lambda: (net.discriminator(PIXELS), (torch.rand(3, 18, 14, 3),)),
    }
    return {name: make() for name, make in made.items() if name.split()[0] in net.ROLES}


@pytest.mark.parametrize("net", RECIPES)
def test_a_seed_says_all(net: Net) -> None:
    for role in models(net):
        outcomes = []
        for _ in range(2):
            torch.manual_seed(3)
            model, inputs = models(net)[role]
            outcomes.append(pytree.tree_leaves((model.state_dict(), model(*inputs), model.eval()(*inputs))))
        assert all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True))


@pytest.mark.parametrize("net", RECIPES)
def test_other_roles_are_refused(net: Net) -> None:
    builders = {
        "classify": lambda: net.classifier(PIXELS, CLASSES),
        "language": lambda: net.language_model(TOKENS),
        "translate": lambda: net.translator(TOKENS),
        "generate": lambda: net.generator(NOISE, PIXELS),
        "discriminate": lambda: net.discriminator(PIXELS),
    }
    assert set(net.ROLES) <= set(builders)
    for role in set(builders) - set(net.ROLES):
        with pytest.raises(QuartetError, match=role):
            builders[role]()


class Logits(nn.Module):
    """A model's answer as a program of its own, without the state."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens)[0]


class Encode(Logits):
    def forward(self, tokens: Tensor) -> Any:
        return self.model.encode(tokens)


class Decode(Logits):
    def forward(self, tokens: Tensor, memory: Any) -> Tensor:  # type: ignore[override]
        return self.model.decode(tokens, memory)[0]


def exported_equals_eager(model: nn.Module, traced: tuple[Any, ...], others: list[tuple[Any, ...]]) -> None:
    """Export with the sizes open in which the calls differ."""

    def differ(*tensors: Tensor) -> dict[int, Any]:
        sizes = zip(*(tensor.shape for tensor in tensors), strict=True)
        return {i: Dim.DYNAMIC for i, size in enumerate(sizes) if len(set(size)) > 1}

    shapes = pytree.tree_map(differ, traced, *others)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*_flat_weights")  # a cache of torch's recurrent layers
        warnings.filterwarnings("ignore", message=".*is deprecated", category=DeprecationWarning)
        program = export(model, traced, dynamic_shapes=shapes).module()
        for inputs in (traced, *others):
            torch.testing.assert_close(program(*inputs), model(*inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "net",
    # The first of each family and all cells always; the rest, which takes a minute, with the slow tests.
    [
        param
        if str(param.id).endswith("0") or str(param.id).startswith("rnn")
        else pytest.param(*param.values, id=param.id, marks=pytest.mark.slow)
        for param in RECIPES
    ],
)
@torch.no_grad()
def test_every_model_exports(net: Net) -> None:
    for role, (model, inputs) in models(net).items():
        model.eval()
        if role == "language":
            exported_equals_eager(Logits(model), (words(3, 7),), [(words(2, 5),), (words(1, 12),)])
        elif role == "classify texts":
            exported_equals_eager(model, inputs, [(words(2, 5),), (words(1, 12),)])
        elif role == "translate":
            memories = [model.encode(words(*size)) for size in ((3, 7), (2, 4), (1, 9))]  # type: ignore[operator]
            exported_equals_eager(Encode(model), (words(3, 7),), [(words(2, 4),), (words(1, 9),)])
            targets = [words(3, 5), words(2, 8), words(1, 1)]
            calls = list(zip(targets, memories, strict=True))
            exported_equals_eager(Decode(model), calls[0], calls[1:])
        else:
            exported_equals_eager(model, inputs, [(inputs[0][:2],), (inputs[0][:1],)])
