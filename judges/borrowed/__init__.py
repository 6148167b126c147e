"""Judges of other projects, built from the files of those projects; nothing of them is copied."""
