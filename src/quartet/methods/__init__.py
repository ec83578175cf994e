"""Training methods: `Supervised` and `Adversarial`, the only two LightningModules.

`method` is the abstract method. `schedule`, `average`, `batches`, `clock` and `flops` serve its steps. `recorder` and
`reporting` report its progress. `interruption` ends a worker on SIGTERM. `ranks` and `shared_memory` add sums over
processes.
"""

from quartet.methods.adversarial import Adversarial, StoppingRule
from quartet.methods.supervised import Supervised

__all__ = ["Adversarial", "StoppingRule", "Supervised"]
