"""One file per stage of the pipeline, and what the stages share: composing, checking, and the command line."""
