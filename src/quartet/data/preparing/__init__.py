"""Fetch data and write prepared sets: `source` is the abstract data set, `store` keeps the prepared ones.

`fetch` gets a file from the first of its `places` and checks it. `images`, `text` and `pairs` write the files of the
kinds. For a user's own files, `own_files` walks a folder, `splits` recognises train, val and test, `copies` keeps exact
copies on one side, `labels` numbers classes and splits them; `pictures`, `text_files`, `tables` and
`npz` read.
"""
