"""Pages about values given from outside and about graphs: E0253 to E0267, E029x and E055x."""

from __future__ import annotations

from ttscale.compiler.explanation import page, table

OUTSIDE = table(
    page(
        "E0253",
        "Rounds over prompts or models with different sampling settings",
        "`n: up to N` samples all prompts and models in common rounds, so they must share their settings: write "
        "`temperature:` and the others on the call.",
    ),
    page(
        "E0257",
        "A stage whose standard prompt is not there",
        "The stage asks with a prompt of the library, and the program was compiled without it; name one with `using:`.",
    ),
    page(
        "E0259",
        "A call of something that cannot be called",
        "Only stages, functions, prompts, pipelines and what Python files declare can be called.",
    ),
    page(
        "E0267",
        "Plain values for items known only in the run",
        "A `map` over items that only the run counts must yield pools, which join even where some are missing.",
    ),
    page(
        "E0290",
        "A selector's argument that does not exist",
        "The stage or rule given to `--select` has no such argument.",
    ),
    page(
        "E0291",
        "A selector's rule that does not exist",
        "A replay chooses by recorded numbers; rules that ask a model are not among them.",
    ),
    page(
        "E0292",
        "Something that is no selector",
        "`--select` takes a chain of `vote`, `select` and `filter`, as in "
        '`filter(top: 4, by: score("reward")) |> vote()`.',
    ),
    page("E0293", "A selector's argument of the wrong kind", "The argument wants another kind of value."),
    page(
        "E0550",
        "A pipeline that does not exist",
        "The file has no pipeline of that name; without a name it is `main`, or the only one.",
    ),
    page(
        "E0551",
        "A parameter that the pipeline does not have",
        "`--param NAME=VALUE` names a parameter of the pipeline.",
    ),
    page(
        "E0552", "A parameter's value of the wrong kind", "The value given from outside is not of the parameter's type."
    ),
    page(
        "E0553", "A parameter's value outside its domain", "The value given from outside is not among the allowed ones."
    ),
    page("E0554", "Values that break a `require`", "The values given do not satisfy a rule of the pipeline."),
    page("E0555", "A parameter without a value", "The parameter has neither a default nor a value given from outside."),
    page("E0557", "A replaced model that is not declared", "`--model NAME=…` names a model that the program declares."),
)
