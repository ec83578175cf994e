"""A table: `params` reads params.yaml, `axes` vary its experiments, and `resolve` writes their files to build/."""
