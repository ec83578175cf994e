"""What runs will take, before they run: `plan` is the table, a `forecast` is one of its rows.

`memory` and `activations` foresee the memory, `rehearsal` the speed, and `status` says what is there already.
"""
