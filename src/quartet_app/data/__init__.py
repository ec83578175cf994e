"""Prepared data as the application needs them: `prepared` finds or prepares a data set, `table` those of a table.

`origin` says where a missing set would come from, and `stand_in` gives blank examples of its shape and size.
"""
