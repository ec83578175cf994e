"""The subcommands of `quartet`, a file each with its `parser` and its `main`; imported when asked for."""

COMMANDS = {
    "train": "train one run, or several with -m; a sweep",
    "evaluate": "evaluate a trained run on the test split",
    "compare": "compare evaluated runs: a page, Markdown, JSON, a table here",
    "plan": "say what runs will take before anything is trained",
    "table": "make a table of its own: experiments and seeds in a folder",
    "grid": "run a whole table, several runs at once",
    "predict": "classify, go on with a text, translate or generate with a trained model",
    "trace": "say what a run was made of, what was made of it; repeat it to the bit",
    "ui": "serve MLflow's pages of the project's runs",
    "prepare": "fetch and prepare data sets",
    "compose": "resolve params.yaml and conf/ into build/",
    "completion": "print what a shell needs to complete these commands",
}
