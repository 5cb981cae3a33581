"""
The noise floor of a norm
=========================

With L answers each, models that are all the same show a positive ||D||_F. How much of a norm is
that?
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/bitcoin_network.nc").sel(replicate=[0])
few = ds.isel(response=slice(4))

# %%
# As it is, the norm of 4 answers is above that of 16. With the noise taken out, both estimate the
# same.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
lwd.noise_floor(few).squeeze().plot(ax=axes[0], color="grey", linestyle=":", label="floor of 4")
for ax, debias in zip(axes, (False, True), strict=True):
    for label, part in (("16 answers", ds), ("4 answers", few)):
        lwd.fnorm(part, debias=debias).squeeze().plot(ax=ax, label=label)
    ax.set(title="noise taken out" if debias else "as it is", ylabel="||D||_F")
axes[0].legend()
plt.show()
