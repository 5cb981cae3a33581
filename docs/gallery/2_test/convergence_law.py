"""
By which law does the norm fall, and to what?
=============================================

Three laws are fitted to twenty runs and compared; the best of them is tested for a limit above 0.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

ds = lwd.read_results("../../../data/gmm_networks.nc")
fit = lwd.convergence_fit(ds, since=10)
print(fit.summary())

# %%
# A power law with an exponent of about 1/2, which is a straight line here.

lwd.plot(fit, log=True)
plt.show()

# %%
# Whether the limit is 0 cannot be shown; that it is not above .014 can be, from the interval.

print(lwd.convergence_test(ds, since=10))
print(lwd.convergence_fit(ds, "power_floor", since=10).confint("c").table.round(4))
