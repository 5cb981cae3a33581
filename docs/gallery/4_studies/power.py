"""
How many answers does a test need?
==================================

Power of the test of collapse for models that differ little, by simulation from a specification.
The curve is what ``power_test`` finds for one value after the other.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

source = {"initial_weights": [[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]], "means": [-1, 1]}
how = {"n_replicates": 2, "n_steps": 2, "n_sim": 80, "options": {"permutations": 39}, "seed": 1}
answers = [5, 10, 20, 40]
found = [lwd.power_test("collapse_test", source, n_responses=n, **how) for n in answers]
print(found[-1])

fig, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
power = [one.power for one in found]
error = [2 * (p * (1 - p) / how["n_sim"]) ** 0.5 for p in power]
ax.errorbar(answers, power, error, fmt="o-")
ax.axhline(0.05, color="grey", linestyle=":")
ax.set(xlabel="answers a model and step, L", ylabel="power", ylim=(0, 1.02), xscale="log")
plt.show()
