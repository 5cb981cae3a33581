"""
One bot in ten
==============

One of ten models never reads and always posts the same. On a web that forgets, the other nine go
over to it, and ||D||_F goes to 0: a captured network looks like a consensus.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

setting = {
    "n_models": 10,
    "initial_weights": [[0.9, 0.1]] * 9 + [[1e-12, 1 - 1e-12]],
    "initial_points": [-5.0] * 18 + [5.0] * 2,
    "n_steps": 200,
    "beta": 0.1,
    "complexity": 0,
}
scenarios = {
    "forgets": {"frozen": [9], "keep": "last"},
    "forgets, 3 real posts a step": {
        "frozen": [9], "keep": "last", "fresh": 3, "fresh_from": [0.9, 0.1],
    },
    "keeps all": {"frozen": [9]},
    "keeps all, no bot": {},
}  # fmt: skip
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
for name, scenario in scenarios.items():
    ds = lwd.simulate_gmm(**setting, scenario=scenario, replicates=30, record=4, seed=3)
    lwd.fnorm(ds).mean("replicate").plot(ax=axes[0], label=name)
    ds["weight"].isel(model=slice(9), component=1).mean(["model", "replicate"]).plot(ax=axes[1])
axes[0].set(ylabel="mean ||D||_F", title="")
axes[1].set(ylabel="the bot's component in the nine", title="", ylim=(0, 1.05))
axes[0].legend(fontsize="small")
plt.show()
