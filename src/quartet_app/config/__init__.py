"""Configuration: from conf/, params.yaml and the command line to a resolved, checked config.

`project` finds the folders and `options` lists what there is; `overrides` takes paths as they are typed, `composing`
composes, `params` reads params.yaml, and `table` resolves it into build/. `check` refuses what cannot run, by
`signatures`, `annotations` and `ranges`; `errors` puts it into words. `resolved` is the config itself, which means the
same in any process.
"""
