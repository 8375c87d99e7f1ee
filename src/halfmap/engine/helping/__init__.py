"""Others who may make a map: a plug-in, or another program."""
