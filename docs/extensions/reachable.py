"""Code and figures that are wider than a screen are scrolled by themselves, and so they must be reached by keys."""


def _reach(app, name, template, context, tree):
    for begin, reached in (("<pre>", '<pre tabindex="0">'), ("<p><img ", '<p tabindex="0"><img ')):
        if "body" in context:
            context["body"] = context["body"].replace(begin, reached)


def setup(app):
    app.connect("html-page-context", _reach)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
