"""The data sets, a file each: shipped ones and a user's own."""
