"""The report of an evaluation laid out: for a terminal, as Markdown, and as one page that needs nothing else."""
