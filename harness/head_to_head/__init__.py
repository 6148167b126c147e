"""srlm head-to-head: two models' answers to the same prompts, and who wins them."""
