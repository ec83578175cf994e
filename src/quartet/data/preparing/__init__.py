"""Fetch data and write prepared sets: `source` is the abstract data set, `store` keeps the prepared ones.

`fetch` gets a file from the first of its `places` and checks it. `images`, `text` and `pairs` write the files of a
kind. `labels` numbers classes and splits them.
"""
