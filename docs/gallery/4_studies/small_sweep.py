"""
A sweep, and a model of it
==========================

How does what models read change how diverse they stay? A grid of runs, a linear model whose
errors are by replicate, and means with intervals.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

base = {"simulator": "gmm", "n_models": 4, "n_steps": 60}
grid = {"scenario.keep": {"last step": "last", "all": "all"}, "beta": [0.2, 0.5, 0.8]}
found = lwd.sweep(base, grid, replicates=20, measure=["diversity", "fnorm"], seed=1, progress=False)
print(found)

# %%
model = lwd.lm("diversity ~ keep * beta", found)
print(lwd.anova(model))

# %%
found.plot("diversity", "beta", "keep")
plt.show()
