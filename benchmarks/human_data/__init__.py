"""srlm: human rankings and pairwise labels, read from the formats that the field has."""

from benchmarks.human_data.reading import HumanData, read_human_data

__all__ = ["HumanData", "read_human_data"]
