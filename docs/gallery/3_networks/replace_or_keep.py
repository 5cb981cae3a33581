"""
Replace posts, keep them, or add real ones
==========================================

Does a network lose its diversity? That hangs on what stays on the web. Dots are means of 200
runs, lines exact expectations.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

setting = {
    "n_models": 4,
    "initial_weights": [[0.7, 0.3], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7]],
    "initial_points": [-5.0] * 10 + [5.0] * 10,
    "n_steps": 100,
    "complexity": 0,
}
scenarios = {
    "replace": {"keep": "last"},
    "replace, 1 real post a step": {"keep": "last", "fresh": 1},
    "last five steps": {"keep": ("last", 5)},
    "keep all": {},
}
fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, scenario in scenarios.items():
    ds = lwd.simulate_gmm(**setting, scenario=scenario, replicates=200, record=5, seed=1)
    line = ax.plot(lwd.expected_diversity(**setting, scenario=scenario), label=name)[0]
    mean = lwd.diversity(ds).mean("replicate")
    ax.plot(mean["time"], mean, ".", color=line.get_color())
ax.set(xlabel="time t", ylabel="diversity H", ylim=(0, 0.55))
ax.legend()
plt.show()

# %%
# What each comes to in the long run:

options = {k: v for k, v in setting.items() if k != "n_steps"}
for name, scenario in scenarios.items():
    print(name, lwd.long_run(**options, scenario=scenario), sep="\n", end="\n\n")
