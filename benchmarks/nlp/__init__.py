"""NLP benchmarks through lm-eval: suites, local files, records by sample, resume by task."""
