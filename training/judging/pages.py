"""Documents made of the templates beside this file; what goes into HTML is escaped."""

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def render(name: str, values: Mapping[str, object]) -> str:
    """The document of a template: `report.html` of templates/report.html.j2."""
    environment = Environment(
        loader=PackageLoader("training.judging"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "name": lambda text: text.replace("_", " ")}
    return environment.get_template(f"{name}.j2").render(values)


def percent(share: float) -> str:
    """0.8537 -> 85.37"""
    return f"{100 * share:.2f}"
