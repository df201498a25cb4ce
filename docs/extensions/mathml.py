"""Mathematics as MathML, made when the pages are built: a browser shows it without a script, a font or a network."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert


def _inline(self, node):
    self.body.append(convert(node.astext()))


def _block(self, node):
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    self.body.append(f'<div class="math">{number}{_display(node.astext())}</div>\n')


def _display(text: str) -> str:
    """Return one formula, or one below another where lines are parted by an empty one."""
    return "\n".join(convert(part, display="block") for part in text.split("\n\n") if part.strip())


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
