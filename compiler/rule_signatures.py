"""The signatures of rules for `by:` and `weight:`: names, aliases, arguments, where they belong and what they need.

One table, read as that of the stages is, and by `replay --select`. What a rule computes stands with the function that
does it, in `runtime/strategies`.
"""

from __future__ import annotations

from ttscale.compiler.judge_rule_signatures import JUDGE_RULES, RESTART
from ttscale.compiler.parameters import Parameter
from ttscale.compiler.rule_signature import RuleSignature as RuleSignature

_SOURCE = Parameter("by", "strategy", doc="a source of numbers; default the latest score")
_ALWAYS = ("score", "vote", "select", "filter")
_NUMBERS = ("vote", "select", "filter")
_STEPS = ("min", "last", "mean", "prod", "avg", "product")
_OF_OWN = Parameter(
    "of",
    "name",
    "mean",
    choices=("mean", "sum", "reasoning"),
    doc="mean or sum of token log-probabilities, or the mean of those before the sentence that marks the answer",
)
_OF_LIKELIHOOD = Parameter("of", "name", "mean", choices=("mean", "sum"), doc="mean or sum of token log-probabilities")
_CONFIDENCE = (
    Parameter(
        "of",
        "name",
        "lowest_group",
        choices=("lowest_group", "bottom", "tail", "mean"),
        doc="the least sure group, the least sure tenth of groups, the last group, or all tokens",
    ),
    Parameter("window", "int", 2048, low=1, doc="tokens in a group"),
)
STUDY = "Can 1B LLM Surpass 405B LLM? (Liu et al. 2025)"
RPC = "Bridging Internal Probability and Self-Consistency (Zhou et al. 2025)"
DEEPCONF = "Deep Think with Confidence (Fu et al. 2025)"
SNELL = "Scaling LLM Test-Time Compute Optimally (Snell et al. 2024)"
SC = "Self-Consistency (Wang et al. 2022)"
TRICKS = "Bag of Tricks for Inference-time Computation (Liu et al. 2025)"
THINK = "Think Deep, Think Fast (Wang et al. 2025)"
BOM = "Best-of-Majority (arXiv 2510.03199)"
CODET = "CodeT: Code Generation with Generated Tests (Chen et al. 2022)"


UTILITIES = ("token_f1", "equal", "chrf", "kendall", "behaviour", "judge")


def _of_steps(of: str, how: str) -> RuleSignature:
    """One of the six ways of the compute-optimal study to choose by step scores."""
    picks = "the best answer" if how == "max" else "the answer with the largest sum"
    return RuleSignature(
        f"prm_{of}_{how}",
        "pick",
        ("select",),
        needs=frozenset({"stepped"}),
        doc=f"{picks} by the {'mean' if of == 'avg' else of} of its step scores",
        paper=STUDY,
    )


_NUMBER_RULES = (
    RuleSignature(
        "likelihood",
        "numbers",
        _ALWAYS,
        (_OF_OWN,),
        positional=("of",),
        aliases=("ppl", "perplexity"),
        doc="exp of the mean log-probability of the candidate's own tokens",
        paper=RPC,
    ),
    RuleSignature(
        "score",
        "numbers",
        _NUMBERS,
        (Parameter("name", "text", doc="which score; default the latest"),),
        positional=("name",),
        needs=frozenset({"scored"}),
        doc="a score given earlier",
        paper=SNELL,
    ),
    RuleSignature(
        "steps",
        "numbers",
        _NUMBERS,
        (Parameter("of", "name", "last", choices=_STEPS),),
        positional=("of",),
        needs=frozenset({"stepped"}),
        aliases=("prm",),
        doc="step scores put together; none at all counts as -1",
        paper=STUDY,
    ),
    RuleSignature("length", "numbers", _ALWAYS, doc="new tokens of the candidate", paper=THINK),
    RuleSignature("brevity", "numbers", _ALWAYS, doc="1 / length: the shorter, the more", paper=THINK),
    RuleSignature(
        "origin",
        "numbers",
        _ALWAYS,
        (Parameter("weights", "text", required=True, doc='a number by model or prompt: "large: 2, small: 0.5"'),),
        positional=("weights",),
        aliases=("source_weight",),
        doc="a weight by the model and the prompt that made the candidate; 1 where none is given",
    ),
    RuleSignature(
        "confidence",
        "numbers",
        _ALWAYS,
        (*_CONFIDENCE, Parameter("share", "float", 0.1, low=0, high=1, doc="which part of groups `bottom` is")),
        positional=("of",),
        aliases=("group_confidence",),
        doc="how sure the model was of a group of tokens",
        paper=DEEPCONF,
    ),
    RuleSignature(
        "features",
        "numbers",
        _ALWAYS,
        tuple(
            Parameter(name, "float", default, doc=doc)
            for name, default, doc in (
                ("length", -1.0, "weight of the length"),
                ("hedges", -1.0, "weight of words such as maybe"),
                ("thinking", -1.0, "weight of words such as wait"),
                ("discourse", 1.0, "weight of words such as therefore"),
            )
        ),
        aliases=("markers",),
        doc="length and marker words of the text, weighed and put together",
        paper=THINK,
    ),
    RuleSignature(
        "min_max",
        "numbers",
        _NUMBERS,
        (_SOURCE,),
        positional=("by",),
        aliases=("minmax",),
        doc="another source stretched to [0, 1] over the pool: the worst counts nothing",
        paper=TRICKS,
    ),
    RuleSignature(
        "borda",
        "numbers",
        _NUMBERS,
        (_SOURCE, Parameter("power", "float", 1.0, low=0, high=16, doc="how much more the first places count")),
        positional=("by",),
        aliases=("rank_weight",),
        doc="the place by another source, 1 for the best",
        paper="Scalable Best-of-N Selection via Self-Certainty (Kang et al. 2025)",
    ),
    RuleSignature(
        "rank",
        "numbers",
        _NUMBERS,
        needs=frozenset({"ranked"}),
        doc="the place that a judge gave, 1 for the best",
        paper="Archon (Saad-Falcon et al. 2024)",
    ),
    RuleSignature(
        "tests",
        "numbers",
        _NUMBERS,
        needs=frozenset({"tested"}),
        aliases=("pass_rate",),
        doc="the share of tests that the candidate passed",
        paper=CODET,
    ),
    RuleSignature(
        "test_agreement",
        "numbers",
        _NUMBERS,
        (Parameter("root", "bool", False, doc="whether the root of the number of programs counts"),),
        needs=frozenset({"tested"}),
        aliases=("codet", "dual_agreement"),
        doc="the number of tests passed, times that of the programs that pass the very same ones",
        paper=CODET,
    ),
    RuleSignature(
        "composed",
        "numbers",
        ("score",),
        (
            Parameter("answers", "pool", required=True, doc="the answers to the parts, with their scores"),
            Parameter("parts", "pool", doc="what `decompose` gave; its likelihood counts too"),
            Parameter("by", "strategy", "likelihood", doc="a source of numbers for the answer itself"),
        ),
        positional=("answers", "parts"),
        aliases=("probtree",),
        doc="the geometric mean of an answer's own number, that of the parts, and the scores of their answers",
        paper="Probabilistic Tree-of-Thought Reasoning (Cao et al. 2023)",
    ),
    RuleSignature(
        "grounded",
        "numbers",
        ("score",),
        (Parameter("source", "content", doc="the text that answers come from; default the question"),),
        positional=("source",),
        aliases=("k_precision",),
        doc="share of the answer's words that stand in a source text",
    ),
    RuleSignature(
        "forced",
        "numbers",
        ("score",),
        (
            Parameter("contexts", "content", many=True, doc="texts that answers are read behind; default none"),
            Parameter(
                "put",
                "name",
                "product",
                choices=("product", "mixture", "best"),
                doc="all must hold, any may, or the best context of each answer counts",
            ),
            Parameter("prior", "bool", False, doc="divide by how likely each answer is without any context"),
            Parameter("most", "int", 16, low=1, high=256, doc="contexts that count, at most; the last ones"),
            Parameter(
                "weigh",
                "name",
                "alike",
                choices=("alike", "score", "softmax"),
                doc="what a context counts: as any other, in proportion to its score, or to exp of it",
            ),
            Parameter("raw", "bool", False, doc="likelihoods as they are, not as shares of each context's answers"),
            Parameter("direct", "float", 1.0, low=-16, high=16, doc="weight of log p(answer | question, context)"),
            Parameter("channel", "float", 0.0, low=-16, high=16, doc="weight of log p(question | answer, context)"),
            Parameter("alone", "float", 0.0, low=-16, high=16, doc="weight of log p(answer | context)"),
            Parameter("asking", "using", doc="prompt behind which the question is read; default a standard one"),
        ),
        positional=("contexts",),
        judge=True,
        aliases=("thinksum", "teacher_forcing"),
        doc="how likely a model holds the answer itself behind each context, put together, as a share of all answers",
        paper="ThinkSum (Ozturkler et al. 2022); Internet-augmented few-shot prompting (Lazaridou et al. 2022)",
        std_prompt="answer_behind",
        offers=("context",),
        results=("Text", "Number", "Int", "Float", "Choice", "Bool", "Math"),
    ),
    RuleSignature(
        "reward",
        "numbers",
        ("score",),
        (
            Parameter("model", "model", required=True, doc="weights with a head that scores a text: a reranker"),
            Parameter("sigmoid", "bool", False, doc="1 / (1 + exp(-x)) of what the head says, between 0 and 1"),
        ),
        positional=("model",),
        aliases=("reward_model", "reranker"),
        doc="what a model's ranking head says of the answer to the question",
        paper="Training Verifiers to Solve Math Word Problems (Cobbe et al. 2021)",
    ),
    RuleSignature(
        "likeness",
        "numbers",
        ("score",),
        (
            Parameter("model", "model", required=True, doc="the model whose vectors of texts are compared"),
            Parameter("to", "content", doc="a text that answers are compared with; default all other answers"),
        ),
        positional=("model", "to"),
        aliases=("cosine", "semantic_likeness"),
        doc="how near the answer's vector is to those of the others, the mean of cosines, or to that of a text",
        paper="Semantic Self-Consistency (Knappe et al. 2024)",
    ),
)

_PICK_RULES = (
    RuleSignature("first", "pick", ("select",), doc="the first candidate"),
    RuleSignature(
        "majority",
        "pick",
        ("select",),
        (Parameter("ties", "strategy", "first", doc="a source of numbers that settles ties; default the first"),),
        aliases=("majority_vote", "self_consistency", "plurality"),
        doc="the commonest answer",
        paper=SC,
    ),
    RuleSignature(
        "best_of_n",
        "pick",
        ("select",),
        (_SOURCE,),
        positional=("by",),
        aliases=("bon", "argmax", "naive_bon"),
        doc="the candidate with the highest number",
        paper=SNELL,
    ),
    RuleSignature(
        "weighted_best_of_n",
        "pick",
        ("select",),
        (_SOURCE,),
        positional=("by",),
        aliases=("weighted_bon", "weighted_majority", "weighted_self_consistency"),
        doc="sum of scores per answer",
        paper=SNELL,
    ),
    RuleSignature(
        "best_of_majority",
        "pick",
        ("select", "filter"),
        (
            _SOURCE,
            Parameter("share", "float", 0.5, low=0, high=1, doc="least share of the pool"),
            Parameter("k", "int", 1, low=1, doc="how many answers `filter` keeps"),
        ),
        positional=("by",),
        aliases=("bom",),
        doc="the best-scored among answers that are frequent enough",
        paper=BOM,
    ),
    RuleSignature(
        "majority_of_bests",
        "pick",
        ("select",),
        (_SOURCE, Parameter("m", "int", low=1, doc="subset size; default the root of the pool's")),
        positional=("by",),
        aliases=("mob", "majority_of_the_bests"),
        doc="the commonest best answer over subsets of the pool",
        paper="Majority of the Bests (as in the library scorio)",
    ),
    *(_of_steps(of, how) for of in ("min", "last", "avg") for how in ("max", "vote")),
    RuleSignature(
        "perplexity_consistency",
        "pick",
        ("select",),
        (_OF_LIKELIHOOD,),
        positional=("of",),
        aliases=("pc",),
        doc="the answer with the largest sum of likelihoods, equal texts counting once",
        paper=RPC,
    ),
    RuleSignature(
        "rpc",
        "pick",
        ("select", "filter"),
        doc="reasoning pruning, then perplexity consistency; in `filter` the pruning alone",
        paper=RPC,
    ),
    RuleSignature(
        "deepconf",
        "pick",
        ("select",),
        (*_CONFIDENCE, Parameter("share", "float", 0.1, low=0, high=1, doc="which part of the pool votes")),
        positional=("of",),
        doc="a vote of the surest part of the pool, weighed by confidence",
        paper=DEEPCONF,
    ),
    RuleSignature(
        "adaptive",
        "pick",
        ("select",),
        (_SOURCE, Parameter("threshold", "float", 0.9, doc="the first number that is enough")),
        positional=("by",),
        aliases=("resampling", "rejection_sampling"),
        doc="the best up to the first candidate whose number is high enough",
        paper=RESTART,
    ),
    RuleSignature(
        "bayes_risk",
        "pick",
        ("select",),
        (
            Parameter("utility", "name", "token_f1", choices=UTILITIES, doc="likeness of two answers"),
            Parameter("evidence", "pool", doc="further samples to compare with, as in another language"),
        ),
        positional=("utility",),
        aliases=("mbr", "x_mbr", "minimum_bayes_risk"),
        std_prompt="judge_likeness",
        offers=("answer", "reference"),
        results=("Choice", "Bool", "Number"),
        doc="the answer that is most like all others",
        paper="When Life Gives You Samples (Khairi et al. 2025)",
    ),
    RuleSignature(
        "checklist",
        "pick",
        ("select",),
        judge=True,
        aliases=("chops",),
        doc="the one that a judge names after it wrote a checklist and went through all candidates, in one call",
        paper="When Life Gives You Samples (Khairi et al. 2025)",
    ),
    RuleSignature(
        "bradley_terry",
        "pick",
        ("select",),
        (
            Parameter("l2", "float", 0.1, low=0, doc="strength of the prior; 0 is none"),
            Parameter("memory", "float", low=0, high=1, doc="how slowly a judge's reputation moves; default all alike"),
        ),
        needs=frozenset({"ranked"}),
        aliases=("bt", "fortytwo", "pairwise"),
        doc="the strongest by recorded comparisons of pairs",
        paper="Fortytwo (Larin et al. 2025)",
    ),
)

_KEEP_RULES = (
    RuleSignature(
        "likelihood_mixture",
        "keep",
        ("filter",),
        aliases=("weibull", "reasoning_pruning"),
        doc="reasoning pruning: a two-component Weibull fit of the likelihoods drops the unlikely part",
        paper=RPC,
    ),
    RuleSignature(
        "shortest",
        "keep",
        ("filter",),
        (Parameter("share", "float", 0.5, low=0, high=1, doc="which part of the pool"),),
        positional=("share",),
        aliases=("shortest_half",),
        doc="the shortest half of the candidates",
        paper=THINK,
    ),
    RuleSignature(
        "top_share",
        "keep",
        ("filter",),
        (_SOURCE, Parameter("share", "float", 0.1, low=0, high=1, doc="which part of the pool")),
        positional=("by",),
        doc="the part with the highest numbers",
        paper=DEEPCONF,
    ),
    RuleSignature(
        "abduction",
        "keep",
        ("filter",),
        (
            Parameter("threshold", "float", 0.0, low=0, high=1, doc="which share of statements may contradict others"),
            Parameter("by", "strategy", "alike", doc="weights; 0 or less is never kept; default all alike"),
        ),
        positional=("threshold",),
        aliases=("abduce", "consistent"),
        doc="the largest part whose answers go together, field by field",
        paper="Consistency-based Abductive Reasoning (Leiva et al. 2025)",
    ),
)

RULES: dict[str, RuleSignature] = {r.name: r for r in (*_NUMBER_RULES, *JUDGE_RULES, *_PICK_RULES, *_KEEP_RULES)}
ALIASES: dict[str, str] = {alias: rule.name for rule in RULES.values() for alias in rule.aliases}
"""The names that papers and other tools use, with the rule's own name."""
