"""The subcommands of `quartet`: a file each, with `parser` and `main`, imported when the command is used."""

COMMANDS = {
    "choose": "say which net is right for some data, within a given time",
    "train": "train one run, or several with -m, or a sweep",
    "evaluate": "evaluate a trained run on the test split",
    "compare": "compare evaluated runs: write a page, Markdown and JSON, and print a table",
    "plan": "estimate time and memory of runs before they are trained",
    "table": "make a table: a folder with experiments and seeds",
    "grid": "run a whole table, several runs at once",
    "tune": "tune every experiment of a table with the same number of trials",
    "findings": "put the article's statements about the four families to the test",
    "predict": "classify, continue a text, translate or generate with a trained model",
    "trace": "show what a run was made of and what was made of it; repeat it to the bit",
    "ui": "serve MLflow's pages of the project's runs",
    "prepare": "fetch and prepare data sets",
    "compose": "resolve params.yaml and conf/ into build/",
    "completion": "print the shell code that completes these commands",
}
