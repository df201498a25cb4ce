"""Code that is wider than a screen is scrolled by itself, and so it must be reached by keys."""


def _reach(app, name, template, context, tree):
    if "body" in context:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')


def setup(app):
    app.connect("html-page-context", _reach)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
