"""How a net is trained: `Supervised` or `Adversarial`, the only two LightningModules.

`method` is what both share: `schedule`, `average`, `batches` and `flops` serve its steps. `recorder` and `reporting`
say how training goes; `interruption` ends it, and `shared_memory` adds sums over processes.
"""

from quartet.methods.adversarial import Adversarial, StoppingRule
from quartet.methods.supervised import Supervised

__all__ = ["Adversarial", "StoppingRule", "Supervised"]
