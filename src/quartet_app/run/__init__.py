"""One run: `train` fits it and `evaluate` reads the test split.

`run_folder` names its folder by its fingerprint, of which `work_tree` and `environment` record code and machine.
`launch` and `ray_train` start the workers, `worker` is one of them; `build` makes the objects, `match` sizes the net,
`checkpoints` loads weights. `results` reads what a run left, and `crash` tells a task's error from others.
"""
