"""srlm: training."""
