"""srlm: the loop, its stages, the gates and the command line."""
