"""The bank: samples and judgements on disk, so that nothing is paid for twice.

A run asks the bank first. A sample's identity is its key (model, prompt, sampling, stop, grammar, thinking, run seed)
and its place (series, attempt, index); `max_tokens` is in neither, so a shorter limit reads the beginning of a longer
row and a longer one goes on from it. From below: `keys`, `rows` and `schema` say what is kept and how, `writer` and
`claims` how several processes write it, `store` is the bank itself, `asking` puts it in front of an engine, `runs`
remembers who asked for what, `why` compares two runs, `care` and `exchange` look after the file.
"""
