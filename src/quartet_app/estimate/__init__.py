"""Estimate what runs will take, before they run: `plan` makes the table, `forecast` one row of it.

`memory` and `activations` estimate the memory, `rehearsal` the speed. `status` finds results that exist already.
"""
