"""Families of architecture. A family is one file here, one in conf/net/, and one entry in `FAMILIES`."""

from quartet.nets.base import Net
from quartet.nets.cnn import CNN
from quartet.nets.frozen import frozen_classifier
from quartet.nets.mlp import MLP
from quartet.nets.models import Classifier, Discriminator, Generator, LanguageModel, Translator
from quartet.nets.norm import BatchNorm, synchronise_batch_norm
from quartet.nets.rnn import RNN
from quartet.nets.transformer import Transformer

# By the name of the file in conf/net/.
FAMILIES: dict[str, type[Net]] = {"cnn": CNN, "rnn": RNN, "transformer": Transformer, "mlp": MLP}

__all__ = [
    "CNN",
    "FAMILIES",
    "MLP",
    "RNN",
    "BatchNorm",
    "Classifier",
    "Discriminator",
    "Generator",
    "LanguageModel",
    "Net",
    "Transformer",
    "Translator",
    "frozen_classifier",
    "synchronise_batch_norm",
]
