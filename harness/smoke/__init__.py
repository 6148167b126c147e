"""srlm: a run tried at a small scale, every stage once, before hours are spent on it."""
