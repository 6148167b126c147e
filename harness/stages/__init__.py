"""srlm: the stages of the loop, each a function from records to records."""
