"""Pages about Archon's configurations, which `ttscale import` reads and `ttscale export` writes: E0440 to W0445."""

from __future__ import annotations

from ttscale.compiler.explanation import page, table

ARCHON = table(
    page(
        "E0440",
        "A configuration that is not JSON",
        "`ttscale import archon` reads Archon's configurations, which are JSON: double quotes, no comments, no comma "
        "behind the last item. Of the 292 published ones two are broken.",
    ),
    page(
        "E0441",
        "JSON that is no configuration of Archon's",
        'A configuration is `{"name": "…", "layers": [[component, …], …]}`. Every component is an object with a `type` '
        "and a `model`, and its fields have values of their kinds. Some layer has to make candidates.",
    ),
    page(
        "E0442",
        "A pipeline that Archon cannot express",
        "Archon's layers are generators, critics, rankers, fusers, verifiers and unit tests, one after the other, each "
        "over the candidates of the layer before. Votes, rounds, conditions and prompts with other inputs have no "
        "component there.",
    ),
    page(
        "W0443",
        "A key that Archon does not read",
        "Its code takes the fields that it knows and passes over all others, so a misspelt option is as if it were not "
        "there. 174 of the 292 published configurations have such keys.",
    ),
    page(
        "W0444",
        "Something that the other side does not do",
        "The program, or the configuration, means a little less or something slightly different here than what it was "
        "made from.",
    ),
    page(
        "W0445",
        "A hole to be filled in",
        "A component, a service or a ranking model that has no counterpart. In a program its place is marked with a "
        "comment that begins with `hole:`; a configuration with `custom` needs code of yours.",
    ),
)
