"""Sources of examples, one file each: published data sets and your own files."""
