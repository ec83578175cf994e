"""Find and prepare data sets: `prepared` does so for one set, `table` for all sets of a table.

`origin` says where a missing set would come from. `stand_in` writes blank examples of its shape and number.
"""
