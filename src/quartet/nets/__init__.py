"""Families of architecture. A family is one file here and one in conf/net/, which names its class by `_target_`.

`base` is the abstract family, and `roles` the two halves that each family builds: an encoder and a decoder. `models`
puts these between the stems and heads of `stem`. `attention`, `convolution`, `norm` and `position` are shared parts.
`decoder_only` is a Transformer without an encoder, which no file of conf/net/ names. `frozen` loads fixed weights, and
`tracing` serves the export.
"""

from quartet.nets.base import Net
from quartet.nets.cnn import CNN
from quartet.nets.decoder_only import DecoderOnlyTransformer
from quartet.nets.frozen import frozen_classifier
from quartet.nets.mlp import MLP
from quartet.nets.models import Classifier, Discriminator, Generator, LanguageModel, Translator
from quartet.nets.norm import BatchNorm, synchronise_batch_norm
from quartet.nets.rnn import RNN
from quartet.nets.transformer import Transformer

__all__ = [
    "CNN",
    "MLP",
    "RNN",
    "BatchNorm",
    "Classifier",
    "DecoderOnlyTransformer",
    "Discriminator",
    "Generator",
    "LanguageModel",
    "Net",
    "Transformer",
    "Translator",
    "frozen_classifier",
    "synchronise_batch_norm",
]
