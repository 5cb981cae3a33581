"""From sections to the text of a page, and the policy under which a browser shows it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from lwdstats.dataset.text import printable
from lwdstats.reports.embedded import as_json
from lwdstats.reports.section import Section
from lwdstats.version import __version__

_ASSETS = files("lwdstats.reports") / "assets"
# What a page takes without any data, with room for its static text.
OWN_SIZE = 1_192_000 + 250_000
# Characters of a text outside of the data, such as a name: nobody reads more of one.
_CUT = 2000


def page(sections: Sequence[Section]) -> str:
    """Return a page with a section each for runs and sweeps."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = shown
    environment.filters["cell"] = _cell
    environment.filters["sentence"] = _sentence
    environment.filters["block"] = _block
    style, plotly, script = (
        _asset(name) for name in ("page.css", "plotly-basic.min.js", "page.js")
    )
    data = [as_json(section.data | _of_all(section)) for section in sections]
    return environment.from_string(_asset("page.html.j2")).render(
        sections=sections,
        policy=policy([plotly, script], [style, ""]),
        style=_Raw(style),
        plotly=_Raw(plotly),
        script=_Raw(script),
        data=[_Raw(text) for text in data],
        version=__version__,
    )


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return the Content-Security-Policy that allows these scripts and styles, and nothing else.

    plotly.js makes empty style elements, whose rules it adds by the object model: so the
    hash of the empty style is allowed, which holds no rule.
    """
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )


def shown(text: Any) -> str:
    """Return a text as the page writes it: what would act spelled out, the end of long ones cut."""
    text = str(text)
    cut = f" ... ({len(text)} characters)" if len(text) > _CUT else ""
    return printable(text[:_CUT]) + cut


class _Raw(str):
    """Text of our own that the template writes as it is."""

    def __html__(self) -> str:
        return str(self)


def _of_all(section: Section) -> dict[str, Any]:
    """Return what the script needs of a section besides its data."""
    panels = {panel.name: panel.draws for panel in section.panels if panel.why is None}
    return {"panels": panels, "spec": section.spec}


def _sentence(text: str) -> str:
    return shown(text[:1].upper() + text[1:])


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}" if math.isfinite(value) else "NA"
    return shown(value)


def _block(text: str) -> str:
    """Return a block of printed lines, tabs being R's way to set a title in."""
    return printable(text.expandtabs(4)[: 10 * _CUT])


def _hashes(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
