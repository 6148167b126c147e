"""MT-Bench (Zheng et al. 2023, arXiv 2306.05685): 80 questions of two turns, graded 1 to 10."""
