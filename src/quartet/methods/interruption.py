"""What ends the workers of a run before its end: SIGTERM, which their driver sends to each of them."""

from __future__ import annotations

import signal

import pytorch_lightning as pl


class Interruptible(pl.Callback):
    """SIGTERM ends a worker as Ctrl-C does. Lightning has the workers ask each other before every step whether one of
    them has received it: through gloo, one to two milliseconds a step."""

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        signal.signal(signal.SIGTERM, signal.default_int_handler)
