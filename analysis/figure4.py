"""Figure 4: the norm over time of mixtures with two components, a line a replicate."""

from figures import write_figure

import lwdstats as lwd

if __name__ == "__main__":
    write_figure("figure4", str(__doc__), "results/gmm2.nc", lwd.plot_norm)
