"""Mathematics as MathML, made when the pages are built: a browser shows it without a script, a font or a network."""

import re

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

TAG = re.compile(r"\\tag\{(.*?)\}")
_SCRIPTED = (
    "(?<!<msub>)(?<!<msup>)(?<!<msubsup>)(?<!<munder>)(?<!<mover>)"  # what stands alone, and is no base of an index
)
MENDS = (  # what the converter sets unlike TeX
    (r"<mo[^>]*>&#x0007C;</mo>", '<mo lspace="0" rspace="0" stretchy="false">|</mo>'),  # close to x in |x|
    (r"<mo>&#x0002F;</mo>", '<mo lspace="0" rspace="0">/</mo>'),  # 1/n, not 1 / n
    (r"<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"),  # "is distributed as" is a relation, with space on both sides
    (
        r"((?:\(|&#x00028;|\[|&#x0005B;)</mo>)<mo>&#x02212;</mo>",
        r'\1<mo form="prefix">&#x02212;</mo>',
    ),  # a sign, no difference
    (
        r'<mrow>((?:<mi mathvariant="normal">\w</mi>){2,})</mrow>',
        lambda found: f"<mi>{re.sub('<.*?>', '', found[1])}</mi>",
    ),
    # ln Q, Var Q and E Q, not lnQ, unless a bracket follows
    (_SCRIPTED + r"(<mi>[a-zA-Z]{2,}</mi>|<mtext>E</mtext>)(?=<m)(?!<mo[ >]|<mspace)", r'\1<mspace width="0.15em"/>'),
)


def _mathml(text: str, display: str) -> str:
    # a single upright letter, such as the E of a mean, would be set in italics
    made = convert(re.sub(r"\\mathrm\{(\w)\}", r"\\text{\1}", text.strip()), display=display)
    for found, instead in MENDS:
        made = re.sub(found, instead, made)
    return made


def _inline(self, node):
    self.body.append(_mathml(node.astext(), "inline"))


def _block(self, node):
    tag = TAG.search(node.astext())
    number = f'<span class="eqno">({tag[1]})</span>' if tag else ""
    text = TAG.sub("", node.astext())
    made = _mathml(text, "block")  # in a box of its own, which is scrolled where it is too wide, beside its number
    self.body.append(f'<div class="math formula"><div class="wide" tabindex="0">{made}</div>{number}</div>\n')


def _visit(show):
    def visit(self, node):
        try:
            show(self, node)
        except Exception as problem:  # a formula that cannot be read fails the build, and is named
            raise ValueError(f"no MathML of {node.astext()!r}: {problem!r}") from problem
        raise SkipNode

    return visit


def setup(app):
    app.add_html_math_renderer("mathml", (_visit(_inline), None), (_visit(_block), None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
