"""One run: `train` fits it and `evaluate` reads the test split.

`run_folder` names its folder by its fingerprint, of which `work_tree` and `environment` record code and machine.
`launch` and `ray_train` start the workers, `worker` is one of them; `build` makes the objects, `match` sizes the net,
`checkpoints` loads weights. `results` reads what a run left, `verify` checks that it was not changed since, and `crash`
tells a task's error from others. `tracked_run` tells MLflow of a run, `unsent` says what did not get there.
"""
