"""Supply Tune with trials: compose them, and decide which comes next.

Hydra imports this file at the start of every application, so that it imports nothing.
"""
