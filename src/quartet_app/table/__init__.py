"""Tables of runs: `make` writes a table's folder, `grid` runs it, and `clean` deletes what it made.

`table_runs` are its runs, each through DVC; `executors` run several at once, on this machine or on a Ray cluster.
"""
