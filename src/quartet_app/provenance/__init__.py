"""Where a number comes from: `find_run` finds the run, `run_record` is what is kept of it, `lineage` tells its story.

`text` writes that for a person; `repeat` runs it again, and `differences` compares the two bit by bit. `send`
delivers to MLflow what did not reach it.
"""
