"""How a net is trained: `Supervised` or `Adversarial`, the only two LightningModules."""

from quartet.methods.adversarial import Adversarial, StoppingRule
from quartet.methods.supervised import Supervised

__all__ = ["Adversarial", "StoppingRule", "Supervised"]
