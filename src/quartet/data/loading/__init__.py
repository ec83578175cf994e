"""Make batches of prepared data: `module` is the DataModule, `streams` chooses the examples of each batch.

`examples`, `windows` and `sentences` gather a batch of labelled examples, running text or sentence pairs. `augment`
changes images. Both preparing and loading use `tokenizer` and `files`. `kinds` has a class for each kind of data.
"""
