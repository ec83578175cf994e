"""What is particular to a family: sizes, options, and what is refused."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
import torch
import yaml

from quartet.nets import CNN, MLP, RNN, DecoderOnlyTransformer, Transformer
from quartet.nets.attention import SelfAttention
from quartet.nets.position import angles, rotate
from quartet.nets.rnn import reverse
from quartet.types import PAD, Classes, Pixels, QuartetError, Series, Tokens
from quartet_app.config.project import CONF

FASHION = Pixels(height=28, width=28, channels=1, mean=(72.9,), std=(90.0,))
TOKENS = Tokens(vocabulary=50, context=8)


def fields(name: str) -> dict[str, Any]:
    return {
        key: value
        for key, value in yaml.safe_load((CONF / "net" / f"{name}.yaml").read_text()).items()
        if key[0] != "_"
    }


cnn, rnn, transformer = CNN(**fields("cnn")), RNN(**fields("rnn")), Transformer(**fields("transformer"))


def test_a_recipe_is_frozen_and_hides_no_default() -> None:
    with pytest.raises(FrozenInstanceError):
        cnn.width = 3  # type: ignore[misc]
    for family, name in ((CNN, "cnn"), (RNN, "rnn"), (Transformer, "transformer"), (MLP, "mlp")):
        for key in fields(name):
            with pytest.raises(TypeError, match=key):
                family(**{other: value for other, value in fields(name).items() if other != key})


@pytest.mark.parametrize(
    ("net", "change", "says"),
    [
        (cnn, {"kernel": 4}, "net.kernel=4"),
        (cnn, {"stages": 0}, "net.stages=0"),
        (cnn, {"kernel": "whole", "pool": "stride"}, "net.kernel=whole"),
        (rnn, {"width": 1}, "net.width=1"),
        (transformer, {"heads": 5}, "net.heads=5"),
    ],
)
def test_an_impossible_recipe_is_refused(net: Any, change: dict[str, Any], says: str) -> None:
    with pytest.raises(QuartetError, match=says):
        replace(net, **change)


def test_an_rnn_reads_an_image_row_by_row() -> None:
    assert rnn.encode(FASHION).grid == (28,)
    assert rnn.encode(replace(FASHION, height=5, width=9)).grid == (5,)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(QuartetError, match=r"net\.stages=6"):
        replace(cnn, stages=6).classifier(FASHION, Classes(names=("a", "b")))
    with pytest.raises(QuartetError, match=r"net\.heads=4"):
        replace(cnn, width=3, heads=4).translator(TOKENS)
    with pytest.raises(QuartetError, match="rotary"):
        replace(transformer, width=24, heads=4).classifier(FASHION, Classes(names=("a", "b")))


def test_whole_kernels_cover_the_grid_of_their_layer() -> None:
    encoder = replace(cnn, kernel="whole").encode(replace(FASHION, width=14))
    sides = [tuple(layer.kernel_size) for layer in encoder.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert sides == [(29, 15), (15, 7), (15, 7), (15, 7), (7, 3), (7, 3), (7, 3), (3, 1), (3, 1)]
    assert encoder(torch.zeros(2, 28, 14, 1)).shape == (2, 3, 1, 64)


def test_whole_kernels_are_refused_where_there_is_no_whole() -> None:
    whole = replace(cnn, kernel="whole")
    for build in (lambda: whole.language_model(TOKENS), lambda: whole.generator(8, FASHION)):
        with pytest.raises(QuartetError, match=r"net\.kernel=whole: only for reading images or series"):
            build()


def test_without_pooling_the_grid_stays() -> None:
    encoder = replace(cnn, pool="none", stages=6).encode(FASHION)
    assert encoder.grid == (28, 28)
    assert replace(cnn, pool="none").encode(FASHION)(torch.zeros(2, 28, 28, 1)).shape == (2, 28, 28, 64)


def test_learned_positions_end_where_the_others_go_on() -> None:
    long = torch.randint(4, 50, (1, 9))
    for position in ("none", "sinusoidal", "rotary"):
        assert replace(transformer, position=position).language_model(TOKENS)(long)[0].shape == (1, 9, 50)
    model = replace(transformer, position="learned").language_model(TOKENS).eval()
    _, state = model(long[:, :8])
    for tokens, before in ((long, None), (long[:, 8:], state)):
        with pytest.raises(QuartetError, match="8 positions and was given 9"):
            model(tokens, before)


@pytest.mark.parametrize("position", ["none", "sinusoidal", "learned", "rotary"])
def test_a_decoder_alone_reads_source_and_target_as_one_text(position: Any) -> None:
    alone = DecoderOnlyTransformer(**fields("transformer") | {"position": position})
    translator, reader = alone.translator(TOKENS).double().eval(), alone.language_model(replace(TOKENS, context=16))
    reader.double().eval().load_state_dict(translator.state_dict())
    source, target = torch.randint(4, 50, (2, 7)), torch.randint(4, 50, (2, 8))
    source[0, 3:] = PAD
    logits = translator(source, target)
    for row, length in ((0, 3), (1, 7)):
        text = torch.cat((source[row, :length], target[row]))[None]
        torch.testing.assert_close(logits[row], reader(text)[0][0, length:])


def test_a_decoder_alone_only_reads_and_writes_text() -> None:
    alone = DecoderOnlyTransformer(**fields("transformer"))
    with pytest.raises(QuartetError, match="DecoderOnlyTransformer cannot classify; it can language, translate"):
        alone.classifier(FASHION, Classes(names=("a", "b")))


def test_weights_of_self_attention_are_those_of_the_kernel() -> None:
    attend = SelfAttention(width=8, heads=2).double()
    x, mask = torch.randn(2, 5, 8).double(), torch.arange(5) < torch.tensor([[3], [5]])
    for causal, seen in ((False, mask), (True, None)):
        y, (_, v) = attend(x, causal=causal, mask_BL=seen, rotation=None, past=None)
        a = attend.weights(x, causal=causal, mask_BL=seen, rotation=None, past=None)
        torch.testing.assert_close(attend.out((a @ v).transpose(1, 2).flatten(2)), y)


def test_rotary_attention_knows_distances_only() -> None:
    q, k = torch.randn(2, 8).double()

    def score(i: int, j: int) -> float:
        place = torch.tensor([[float(i)], [float(j)]], dtype=torch.float64)
        turn = angles(place, 4).repeat(1, 2)
        qk = torch.cat((q[:4], k[:4], q[4:], k[4:])).repeat(2, 1)
        turned = rotate(qk[None], (turn.cos(), turn.sin()), heads=1)
        return float(turned[0, 0, 0, 0] @ turned[1, 0, 0, 1])

    assert score(3, 1) == pytest.approx(score(10, 8))
    assert score(3, 1) != pytest.approx(score(3, 2))


def test_reversing_respects_lengths_and_undoes_itself() -> None:
    x = torch.arange(5.0).repeat(2, 1)[..., None]
    mask = torch.arange(5) < torch.tensor([[3], [5]])
    turned = reverse(x, mask)
    assert turned[0, :3, 0].tolist() == [2, 1, 0]
    assert turned[1, :, 0].tolist() == [4, 3, 2, 1, 0]
    assert torch.equal(reverse(turned, mask), x)
    assert torch.equal(reverse(x, None)[0, :, 0], turned[1, :, 0])


def test_a_bidirectional_rnn_equals_torchs_own_on_packed_sequences() -> None:
    encoder = replace(rnn, width=6, layers=1, heads=1).encode(TOKENS).eval()
    theirs = torch.nn.LSTM(6, 3, batch_first=True, bidirectional=True)
    ahead, back = encoder.get_submodule("ahead.0"), encoder.get_submodule("back.0")
    ours = {f"{k}_reverse": v for k, v in back.state_dict().items()}
    theirs.load_state_dict(ahead.state_dict() | ours)
    x, lengths = torch.randn(3, 5, 6), torch.tensor([5, 2, 4])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    mask = torch.arange(5) < lengths[:, None]
    torch.testing.assert_close(encoder(x, mask)[mask], expected[mask])


def test_convolutions_see_the_channels_last_in_memory() -> None:
    model = cnn.classifier(FASHION, Classes(names=("a", "b")))
    seen: list[torch.Tensor] = []
    model.get_submodule("encoder.layers.2").register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    model(torch.zeros(2, 28, 28, 1, dtype=torch.uint8))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_tied_nets_have_one_matrix_for_both() -> None:
    for net in (cnn, rnn, transformer):
        sizes = [
            sum(weight.numel() for weight in replace(net, tie_embeddings=tied).language_model(TOKENS).parameters())
            for tied in (True, False)
        ]
        assert sizes[1] - sizes[0] == TOKENS.vocabulary * net.width


def test_a_series_of_one_channel_is_classified() -> None:
    model = cnn.classifier(Series(length=40, channels=1), Classes(names=("a", "b")))
    assert model(torch.randn(2, 40, 1)).shape == (2, 2)


@pytest.mark.parametrize("net", [cnn, rnn, transformer])
def test_a_model_normalises_raw_series_by_the_data_s_figures(net: Any) -> None:
    """As if they had been normalised before; without figures, series are taken as they are."""
    raw = Series(length=40, channels=2, mean=(100.0, -7.0), std=(30.0, 0.5))
    models = []
    for inputs in (raw, Series(length=40, channels=2)):
        torch.manual_seed(0)
        models.append(net.classifier(inputs, Classes(names=("a", "b"))).eval())
    x_BLC = torch.randn(3, 40, 2)
    with torch.no_grad():
        answers = models[0](x_BLC * torch.tensor(raw.std) + torch.tensor(raw.mean)), models[1](x_BLC)
    torch.testing.assert_close(*answers, rtol=1e-3, atol=1e-4)
    assert models[0].state_dict().keys() - models[1].state_dict().keys() == {"normalise.mean_C", "normalise.std_C"}
