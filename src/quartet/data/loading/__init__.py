"""Make batches of prepared data: `module` is the DataModule, `streams` says which examples make which batch.

`examples`, `windows` and `sentences` gather a batch of labelled examples, running text or sentence pairs; `augment`
changes images. `tokenizer` and `files` are what preparing writes with and loading reads with.
"""
