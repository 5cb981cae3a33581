"""
Components that move
====================

Models that learn means and covariances, too, on a web that forgets. One rule for variances
squares old residuals, the other takes old times new ones: with the first variances explode, with
the second they collapse. Lines are exact.
"""

import matplotlib.pyplot as plt

import lwdstats as lwd

setting = {
    "n_models": 3,
    "n_components": 1,
    "means": [0.0],
    "n_responses": 10,
    "n_steps": 50,
    "moving": ("mean", "covariance"),
    "scenario": {"keep": "last"},
}
fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for rule in ("zivkovic", "welford"):
    ds = lwd.simulate_gmm(**setting, variance_rule=rule, replicates=300, seed=1)
    found = ds["component_covariance"].squeeze(["component", "feature", "feature_"], drop=True)
    exact = {key: value for key, value in setting.items() if key != "n_components"}
    line = ax.plot(lwd.moving_moments(**exact, variance_rule=rule).model_variance, label=rule)[0]
    mean = found.mean(["model", "replicate"])
    ax.plot(mean["time"], mean, ".", color=line.get_color())
ax.set(xlabel="time t", ylabel="mean variance of a model", yscale="log")
ax.legend()
plt.show()

# %%
# What a model has grows by a share a step:

print(lwd.variance_rate(n_models=3, n_responses=10))
