"""Fetch data and write prepared sets: `source` is what every data set answers, `store` keeps what was prepared.

`fetch` gets a file from the first of its `places` and checks it; `images`, `text` and `pairs` write a kind's files.
"""
