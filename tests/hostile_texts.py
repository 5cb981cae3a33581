"""Sixty texts that a model might write and that a page must show, never run.

Each would set `window.pwned`, open a dialog, load something, end the data that it stands in, turn
the text around it, or break a page by what it is made of.
"""

import json

import numpy as np
from store_runs import run

_RUN = "window.pwned=1"
_LOAD = "https://example.invalid/x"

HOSTILE = [
    # Scripts.
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f'</script ><script src="{_LOAD}.js"></script>',
    f"<!--<script>{_RUN}</script>-->",
    f"<!-- --!><script>{_RUN}</script>",
    f"]]><script>{_RUN}</script>",
    f"<ScRiPt >{_RUN}</sCrIpT>",
    f"<<script>{_RUN}//<</script>",
    f"</style><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    f"</noscript><script>{_RUN}</script>",
    f"<script type=module>{_RUN}</script>",
    f'"}}]}}</script><script>{_RUN}</script>',
    f"\\u003c/script\\u003e\\u003cscript\\u003e{_RUN}",
    # Events and elements that run or load.
    f"<img src=x onerror={_RUN}>",
    f'"><img src=x onerror={_RUN}>',
    f"'><img src=x onerror='{_RUN}'>",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<body onload={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<details open ontoggle={_RUN}>x</details>",
    f"<video><source onerror={_RUN}></video>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror={_RUN}>",
    f'<iframe src="javascript:parent.{_RUN}"></iframe>',
    f'<iframe srcdoc="<script>parent.{_RUN}</script>"></iframe>',
    f'<object data="{_LOAD}"></object>',
    f'<embed src="{_LOAD}">',
    f'<link rel=stylesheet href="{_LOAD}.css">',
    f'<meta http-equiv=refresh content="0;url={_LOAD}">',
    f'<base href="{_LOAD}/">',
    f'<form action="{_LOAD}"><button>send</button></form>',
    f"<style>body{{display:none}}*{{background:url({_LOAD})}}</style>",
    f'<div style="position:fixed;inset:0;background:url({_LOAD})">all over</div>',
    "<plaintext>",
    "<!DOCTYPE html><html><body>another page",
    # Links, and the little markup that plots read.
    f'<a href="javascript:{_RUN}">click</a>',
    f'<a href="data:text/html,<script>{_RUN}</script>">click</a>',
    f'<b>bold</b><br><sup>1</sup><a href="{_LOAD}" target="_blank">label</a>',
    "%{customdata} %{x:.9f} <extra>gone</extra>",
    "$\\require{html}\\href{javascript:alert(1)}{x}$",
    # Templates of Python and of scripts.
    "{{ 7 * 7 }} {% for x in range(9) %}{{ x }}{% endfor %}",
    "{{ config.__class__.__init__.__globals__ }}",
    "${alert(1)} #{alert(1)} <%= alert(1) %>",
    "__proto__",
    "constructor",
    # Spreadsheets.
    '=HYPERLINK("https://example.invalid","click")',
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    # Characters that act, and half of one.
    "left \u202egnp.exe\u202c right \u2066isolated\u2069 \u200fmark",
    "bell\x07 escape\x1b[2J\x1b[31mred back\x08\x08 null\x00 delete\x7f next\x85line",
    "lines\u2028that\u2029end \ufeff and join\u200b nothing",
    "half of a pair \ud83d alone, and \udc00 too",
    "tags \U000e0041\U000e0042 that nobody sees",
    "Z\u0341\u0317a\u0324\u0316\u034cl\u0321\u0358\u0325go\u031b\u0330" + "\u0336" * 200,
    # Sizes.
    "long " * 20_000,
    "x" * 100_000,
    "<b>" * 5_000 + f"<script>{_RUN}</script>",
]

# A text that turns the direction of what is around it.
TURNED = next(text for text in HOSTILE if "\u202e" in text)


def hostile_run():
    """A run all of whose texts are hostile: answers, posts, labels, the query, prompts."""
    ds = run(n_steps=2, n_responses=30, query=["Up?"], replicates=1)
    answers = np.resize(np.array(HOSTILE, dtype=object), ds["text"].shape)
    posts = np.resize(np.array(HOSTILE[::-1], dtype=object), ds["post_text"].shape)
    spec = json.loads(ds.attrs["spec"]) | {"system_prompts": {HOSTILE[0]: HOSTILE[5]}}
    spec["models"] = dict(zip([HOSTILE[0], HOSTILE[40]], spec["models"].values(), strict=True))
    # In place, as xarray makes no array of texts with half of a surrogate pair.
    ds = ds.copy(deep=True)
    ds["text"].values[...], ds["post_text"].values[...] = answers, posts
    ds = ds.assign_coords(model=[HOSTILE[0], HOSTILE[40]], query=[HOSTILE[15]])
    ds = ds.assign_coords(family=("model", [HOSTILE[1], TURNED]))
    return ds.assign_attrs(title=HOSTILE[9], spec=json.dumps(spec), thinned=HOSTILE[2])
