"""
Nonlinear least squares, as in R
================================

A self-starting model of R's, its intervals by profile likelihood, and a test of a simpler model.
"""

import matplotlib.pyplot as plt
import numpy as np

import lwdstats as lwd

rng = np.random.default_rng(1)
t = np.repeat(np.arange(12.0), 2)
data = {"t": t, "y": 2 + 3 * np.exp(-0.5 * t) + 0.1 * rng.normal(size=t.size)}

fit = lwd.nls("y ~ SSasymp(t, Asym, R0, lrc)", data)
print(fit.summary())
print(lwd.confint(fit))

# %%
# Is there an asymptote at all? F compares with a fall to 0.

to_zero = lwd.nls("y ~ R0 * exp(-exp(lrc) * t)", data, start={"R0": 5, "lrc": -1})
print(lwd.anova(to_zero, fit))
lwd.plot(fit)
plt.show()
