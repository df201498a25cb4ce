"""Mathematics as MathML, made when the pages are built: a browser shows it without a script, a font or a network."""

import re

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

TAG = re.compile(r"\\tag\{(.*?)\}")


def _mathml(text: str, display: str) -> str:
    # a single upright letter, such as the E of a mean, would be set in italics
    made = convert(re.sub(r"\\mathrm\{(\w)\}", r"\\text{\1}", text.strip()), display=display)
    return re.sub(
        r"<mo[^>]*>&#x0007C;</mo>", '<mo lspace="0" rspace="0" stretchy="false">|</mo>', made
    )  # close to x in |x|


def _inline(self, node):
    self.body.append(_mathml(node.astext(), "inline"))


def _block(self, node):
    tag = TAG.search(node.astext())
    number = f'<span class="eqno">({tag[1]})</span>' if tag else ""
    text = TAG.sub("", node.astext())
    self.body.append(f'<div class="math formula">{_mathml(text, "block")}{number}</div>\n')


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
