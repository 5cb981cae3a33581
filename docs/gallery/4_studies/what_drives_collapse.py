"""
What drives collapse: survival of 720 networks
==============================================

A recorded sweep of four regimes of the web, three shares of real posts and three topologies. A
network has collapsed when its diversity is first below .1.
"""

import warnings

import matplotlib.pyplot as plt

import lwdstats as lwd

found = lwd.read_sweep("../../../data/sweeps/collapse.nc")
curves = lwd.survfit("Surv(collapse_time, collapsed) ~ regime", found)
print(curves)
lwd.plot(curves)
plt.show()

# %%
# Nothing collapses in two of the regimes, whose coefficients are infinite; the Cox model says so,
# and estimates the others in the limit.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    cox = lwd.coxph("Surv(collapse_time, collapsed) ~ regime + I(100 * fresh) + readers", found)
table = lwd.confint(cox).table.dropna()
print(cox.summary())

# %%
# Rates relative to a complete network whose posts are replaced each step, with 95% intervals.

names = list(table.index)
fig, ax = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
estimates = cox.coef()[names]
ax.errorbar(
    estimates, range(len(names)),
    xerr=[estimates - table.iloc[:, 0], table.iloc[:, 1] - estimates], fmt="o",
)  # fmt: skip
ax.axvline(0, color="grey", linewidth=0.8)
ax.set(yticks=range(len(names)), yticklabels=names, xlabel="log of the ratio of rates")
plt.show()
