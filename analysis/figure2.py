"""Figure 2: the norm over time of a network of language models."""

from figures import write_figure

import lwdstats as lwd

if __name__ == "__main__":
    write_figure("figure2", str(__doc__), "data/bitcoin_network.nc", lwd.plot_norm)
