"""One page of HTML: its sections, verdicts, tables, figures. What people named is escaped here and nowhere else."""

import re
from html import escape
from importlib.resources import files
from urllib.parse import quote

from ..drawn import plots
from ..tables.text import html_of

SIGNS = {"agree": "✓", "contradicted": "✗", "unsure": "?"}


def page(title: str, words: str, sections: list[str], end: str) -> str:
    """Return a whole page that needs nothing else: no network, no script."""
    look = files(__package__).joinpath("look.css").read_text(encoding="utf-8")
    only = "default-src 'none'; style-src 'unsafe-inline'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{only}">',
            f"<title>{escape(title)} – varprop</title>",
            f"<style>\n{look}</style>",
            "</head>",
            "<body>",
            f"<header>\n<p>varprop report</p>\n<h1>{escape(title)}</h1>\n<p>{escape(words)}</p>\n</header>",
            "<main>",
            *sections,
            "</main>",
            f"<footer>{paragraph(end)}</footer>",
            "</body>",
            "</html>\n",
        ]
    )


def section(title: str, *content: str) -> str:
    """Return a section under its title."""
    inside = "\n".join(content)
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>"


def heading(words: str) -> str:
    """Return a heading within a section."""
    return f"<h3>{escape(words)}</h3>"


def paragraph(words: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(words)}</p>"


def verdicts(found: list[tuple[str, str, str]]) -> str:
    """Return verdicts: of each whether it is ``"agree"``, ``"contradicted"`` or ``"unsure"``, its words, and more."""
    items = [
        f'<li class="{kind}"><strong>{SIGNS[kind]} {escape(words)}</strong>{escape(more)}</li>'
        for kind, words, more in found
    ]
    return '<ul class="verdicts">\n' + "\n".join(items) + "\n</ul>"


def parts(found: list, name: str) -> str:
    """Return lines and tables as a record has them; tables scroll, each under ``name`` with its number."""
    out = []
    for i, part in enumerate(found, 1):
        text = html_of([part])
        if not isinstance(part, str):
            text = re.sub(r"<td>([^<]{50,})</td>", r'<td class="long">\1</td>', text)
            text = f'<div class="table" role="region" tabindex="0" aria-label="{escape(name)}, {i}">\n{text}\n</div>'
        out.append(text)
    return "\n".join(out)


def folded(title: str, *content: str) -> str:
    """Return what is shown once someone asks for it."""
    inside = "\n".join(content)
    return f"<details>\n<summary>{escape(title)}</summary>\n{inside}\n</details>"


def code(text: str) -> str:
    """Return text as it is typed."""
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def download(name: str, text: str) -> str:
    """Return a link that saves ``text`` as a file of that name, from the page itself."""
    return f'<p><a download="{escape(name)}" href="data:application/json,{quote(text)}">Save {escape(name)}</a></p>'


def figures(drawn: list[tuple]) -> str:
    """Return figures side by side, each a function that draws on axes, a caption, and width and height if not usual."""
    out = []
    for i, (draw, caption, *size) in enumerate(drawn):
        svg = plots().inline_svg(draw, f"figure{i}", caption, *size)
        out.append(f"<figure>\n{svg}\n<figcaption>{escape(caption)}</figcaption>\n</figure>")
    return '<div class="figures">\n' + "\n".join(out) + "\n</div>"
