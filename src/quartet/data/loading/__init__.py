"""Make batches of prepared data: kinds, readers, streams, augmentation, the DataModule."""
