"""The llama engine: one GGUF model on llama.cpp, served by a continuous-batching loop in a child process.

A request travels through the modules in this order. `engine` is the parent's side: it checks the file with
`gguf`, starts a child (`link`) and passes messages. In the child `worker` reads messages and `loop` turns
the crank: `template` and `vocabulary` make token ids, `scheduler` (with the nouns of `work`) decides the next
batch, `runner` does it on llama.cpp, `sampling` draws tokens, `text` finds stops and thoughts. Only `runner` and
`vocabulary` touch native code, and they import it lazily.
"""
