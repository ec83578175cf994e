"""Measure adversarial training: `players` crosses kinds of nets, `telling_apart` follows the discriminator,
`head_start` varies its head start, `half_fooled` asks when training is done, and `realism` how real the samples look.

`images` draws samples and takes real images, `distances` compares sets of features, `fresh` trains judges anew on
frozen samples, and `realism_figures` draws.
"""

from quartet.findings.adversarial.half_fooled import half_fooled
from quartet.findings.adversarial.head_start import head_start
from quartet.findings.adversarial.players import crossed_players
from quartet.findings.adversarial.realism import realism
from quartet.findings.adversarial.telling_apart import telling_apart

__all__ = ["crossed_players", "half_fooled", "head_start", "realism", "telling_apart"]
