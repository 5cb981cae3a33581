"""
A stand-in for a run of language models
=======================================

A network of mixtures fitted to a recorded run: how models learn from what they read, and a
forecast of the second half from the first.
"""

import warnings

import matplotlib.pyplot as plt

import lwdstats as lwd

warnings.simplefilter("ignore", UserWarning)  # a proxy keeps its warnings, as notes
ds = lwd.read_results("../../../data/bitcoin_network.nc")
first = lwd.fit_proxy(ds.isel(time=slice(13)), 4, seed=1)
print(first)

# %%
# Bands of 90%, and what came.

forecast = first.forecast(12, seed=1)
forecast.plot()
plt.show()
print(forecast.compare(first.measure(ds))[["quantity", "replicate", "inside"]].round(2))
