"""Figure 5: the densities of the mixtures at t = 1 and t = T."""

from figures import write_figure

import lwdstats as lwd

if __name__ == "__main__":
    write_figure("figure5", str(__doc__), "results/gmm2.nc", lambda ds: lwd.plot_mixtures(ds)[0])
