"""Which language a text is in: by its script where one language alone has it, else by langdetect.

langdetect comes with the extra `ifeval`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from importlib import import_module

from ttscale.runtime.metrics.errors import MetricError

OWN_SCRIPTS: Mapping[str, str] = {
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}
"""Scripts that one language alone is written in, by the first word of their letters' Unicode names."""


def is_in(text: str, language: str) -> bool:
    """Whether a text is in the language of an ISO 639-1 code; a text without letters is in any.

    Raises MetricError where langdetect is needed and not installed.
    """
    letters = Counter(_script(sign) for sign in text[:20_000] if sign.isalpha())
    total = sum(letters.values())
    if not total:
        return True
    japanese = letters["HIRAGANA"] + letters["KATAKANA"]
    if japanese and japanese + letters["CJK"] > total / 2:
        return language == "ja"
    script, count = letters.most_common(1)[0]
    if count > total / 2:
        if script in OWN_SCRIPTS:
            return language == OWN_SCRIPTS[script] or (OWN_SCRIPTS[script], language) == ("he", "iw")
        if script == "CJK":
            return language in ("zh", "zh-cn", "zh-tw")
    return _detected(text) == language


def _script(sign: str) -> str:
    return unicodedata.name(sign, "").split(" ", 1)[0].split("-", 1)[0]


def _detected(text: str) -> str:
    try:
        langdetect = import_module("langdetect")
    except ImportError as error:
        raise MetricError(
            "which language a text is in is told by langdetect, which is not installed",
            hint="pip install 'ttscale[ifeval]'",
        ) from error
    langdetect.DetectorFactory.seed = 0  # it draws at random otherwise, and says one thing today and another tomorrow
    try:
        # Capitals are rare in what it was trained on.
        return str(langdetect.detect(text.lower() if text.isupper() else text))
    except langdetect.LangDetectException:
        return ""
