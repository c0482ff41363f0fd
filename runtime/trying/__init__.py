"""Two minutes to the truth about a task: from a table of questions and answers to a measured ladder of recipes.

columns.py    which column asks, and which one has the right answers
answers.py    what the right answers are: labels, numbers, yes or no, records, texts
writing.py    the program: dataset, prompts, one pipeline a rung, a search
ladder.py     asking all rungs the same questions until the time is up
"""
