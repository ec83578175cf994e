"""The chance in a comparison: `chance` weighs seeds and examples, `permutation` tests without assuming a distribution,
and `holm` corrects for several tests. They know numbers alone.
"""
