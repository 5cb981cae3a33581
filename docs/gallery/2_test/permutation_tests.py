"""
Permutation tests under R's names
=================================

``adonis2`` tests whether models differ in where their answers are, ``betadisper`` and
``permutest`` whether they differ in how much their answers vary; both from distances alone, as in
R's vegan.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/bitcoin_network.nc")
end = ds.sel(time=24, replicate=0)

places = lwd.adonis2("d ~ model", end, seed=1)
print(places)

# %%
# The observed F beside those of 999 permutations of answers among models.

lwd.plot(places)
plt.show()

# %%
# Variation within each model: distances of answers from their model's centre.

spread = lwd.betadisper(end, "model")
print(lwd.permutest(spread, seed=1))
lwd.plot(spread)
plt.show()
