"""Find and prepare data sets: `prepared` does so for one set, `table` for all sets of a table.

`content` checks that prepared files were not changed. `origin` says where a missing set would come from. `stand_in`
writes blank examples of its shape and number.
"""
