"""srlm: human rankings and pairwise labels, read from the formats that the field has."""

from benchmarks.human_data.reading import Answers, HumanData, read_answers, read_human_data

__all__ = ["Answers", "HumanData", "read_answers", "read_human_data"]
