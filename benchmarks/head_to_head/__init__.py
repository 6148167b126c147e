"""srlm: two models' answers to the same prompts, who wins, and how far two judges agree on that."""
