"""Quartet's application: what its commands and stages do, from the configuration to the report."""
