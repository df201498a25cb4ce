"""Text for a terminal or a file that cannot hold every character: what it lacks is spelled in letters that it has."""

import codecs
import unicodedata

LETTERS = {
    "█": "#",
    "░": ".",
    "✓": "v",
    "✗": "x",
    "²": "^2",
    "³": "^3",
    "⁴": "^4",
    "±": "+-",
    "×": "x",
    "÷": "/",
    "·": "*",
    "√": "sqrt ",
    "∞": "infinity",
    "≈": "~",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "↦": "->",
    "∂": "d",
    "ℓ": "loss",
    "δ": "delta",
    "λ": "lambda",
    "µ": "u",
    "φ": "phi",
    "χ": "chi",
    "σ": "sigma",
    "ξ": "xi",
    "ħ": "h",
    "′": "'",
    "\u0302": "-hat",  # the accent of q̂, which follows its letter
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "•": "*",
}
HANDLER = "varprop.spelling"


def _letters(character: str) -> str:
    if character in LETTERS:
        return LETTERS[character]
    name = unicodedata.name(character, "")
    if name.startswith("BOX DRAWINGS"):
        return "-" if name.endswith("HORIZONTAL") else "|" if name.endswith("VERTICAL") else "+"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or "?"


def _spell(error):
    """Handle a `UnicodeEncodeError`: give letters instead, each of which every encoding has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_letters, error.object[error.start : error.end])), error.end


codecs.register_error(HANDLER, _spell)


def spelled(parts, encoding: str):
    """Return text, or lists and tuples of it, with what ``encoding`` lacks spelled in letters that it has."""
    if isinstance(parts, str):
        return parts.encode(encoding, HANDLER).decode(encoding)
    return type(parts)(spelled(part, encoding) for part in parts)


def reassure(stream) -> None:
    """Let ``stream`` spell what its encoding lacks, where it would lose the text or fail."""
    if hasattr(stream, "reconfigure"):  # not where a program has put a stream of its own in its place
        stream.reconfigure(errors=HANDLER)
