"""Interruption of a run's workers: their driver ends them by SIGTERM."""

from __future__ import annotations

import signal

import pytorch_lightning as pl


class Interruptible(pl.Callback):
    """End a worker on SIGTERM as on Ctrl-C. By default, Lightning's workers ask each other before every step whether
    one received it; through gloo, that takes one to two milliseconds."""

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        """Replace Lightning's exchange among workers by Python's handler of Ctrl-C."""
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        signal.signal(signal.SIGTERM, signal.default_int_handler)
