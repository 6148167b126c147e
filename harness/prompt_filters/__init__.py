"""What new instructions must be like: one file for each kind of filter, and their order."""
