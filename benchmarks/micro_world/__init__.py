"""srlm: a small world of instructions with a programmatic oracle, for a real loop on CPU."""
