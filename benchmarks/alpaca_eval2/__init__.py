"""AlpacaEval 2.0: 805 prompts, a fixed baseline, a pairwise judge, and lengths controlled for."""
