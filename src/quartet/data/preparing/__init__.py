"""Fetch data and write prepared sets: places, checks, the store, and writers for each kind."""
