"""Worker modules that tests run as processes of their own."""
