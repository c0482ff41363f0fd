"""The language server: `ttscale lsp` speaks the Language Server Protocol over standard input and output.

`server` answers requests; what it answers comes from modules that know nothing of the protocol's transport:
`programs` compiles open documents, `cursor` says what stands at a place, and `hover`, `completion`, `navigation` and
`edits` each answer one kind of question. Needs the extra `editor` (pygls).
"""
