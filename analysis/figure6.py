"""Figure 6: the norm over time of mixtures with eleven components."""

from figures import write_figure

import lwdstats as lwd

if __name__ == "__main__":
    write_figure("figure6", str(__doc__), "results/gmm11.nc", lwd.plot_norm)
