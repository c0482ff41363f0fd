"""Archon's configurations and `.tts` programs: each written as the other, with a list of what does not fit.

    read(source)               a JSON text to a `Configuration` and what is wrong with it     read.py
    broken_rules(config)       the order rules of Archon's paper that it breaks               rules.py
    write(config)              a `.tts` program and what it does not keep                     write.py
    export(graph)              a pipeline's graph to JSON and what that does not keep         export.py

The format is that of ScalingIntelligence/Archon, the rules those of Saad-Falcon et al., "Archon: An Architecture Search
Framework for Inference-Time Techniques" (arXiv 2409.15254). Nothing here reads or writes files.

Codes:
    E0440  a configuration that is not JSON
    E0441  JSON that is no configuration of Archon's
    E0442  a pipeline that Archon cannot express
    W0443  a key that Archon does not read
    W0444  something that the other side does not do
    W0445  a component or service that is to be filled in
"""

from __future__ import annotations

from ttscale.library.archon.export import export
from ttscale.library.archon.fields import Component, Configuration, Layer
from ttscale.library.archon.read import read
from ttscale.library.archon.rules import broken_rules
from ttscale.library.archon.write import Written, write

__all__ = ["Component", "Configuration", "Layer", "Written", "broken_rules", "export", "read", "write"]
