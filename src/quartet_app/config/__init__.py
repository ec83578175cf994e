"""Configuration: from conf/, params.yaml and the command line to a resolved, checked config.

`project` finds the folders and `options` lists what there is; `overrides` takes paths as they are typed, `composing`
composes, and `table/` resolves params.yaml into build/. `check` refuses what cannot run, by `signatures`, `annotations`
and `ranges`, and `trust` what a file may not name; `errors` puts it into words. `resolved` is the config itself, which
means the same in any process.
"""
