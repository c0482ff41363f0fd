"""Programs that nobody has read are run here: in a process of their own, without network, home folder or escape.

`run_program` starts a small supervisor process, which builds the sandbox (bubblewrap, or namespaces of our own), starts
the program in it, watches it from outside and ends everything that it started. See docs/sandbox.md.
"""

from ttscale.runtime.sandbox.backends import MEANING, Backend
from ttscale.runtime.sandbox.program import LANGUAGES, Finished, Language, Limits, Outcome, Program
from ttscale.runtime.sandbox.run import find_backend, run_program, why_not

__all__ = [
    "LANGUAGES",
    "MEANING",
    "Backend",
    "Finished",
    "Language",
    "Limits",
    "Outcome",
    "Program",
    "find_backend",
    "run_program",
    "why_not",
]
