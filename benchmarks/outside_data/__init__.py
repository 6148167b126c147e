"""srlm: the files of others that benchmarks need: where they come from and where they lie."""

from benchmarks.outside_data.folder import outside_file, same_bytes

__all__ = ["outside_file", "same_bytes"]
