# Tables by printCoefmat, as a reference for when stars and their legend show.
# Usage: Rscript printing.R [output.json]   (default: beside this script)
library(jsonlite)
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "printing.json")
options(width = 80, useFancyQuotes = FALSE)

table_case <- function(p) {
  x <- cbind(Estimate = seq_along(p) + 0.25, "Std. Error" = 0.5, "t value" = 2.125,
             "Pr(>|t|)" = p)
  rownames(x) <- letters[seq_along(p)]
  lines <- capture.output(printCoefmat(x, digits = 4))
  lines <- sub(" +$", "", gsub("[\u2018\u2019]", "'", lines))
  list(p = I(p), lines = I(lines))
}
cases <- lapply(list(0.1, c(0.1, 0.5), c(0.0999999, 0.5), c(0.05, 0.1), c(0.1, NA), c(0.5, NA),
                     c(0.02, NA), c(0.001, 0.01, 0.05, 0.1, 1), c(1e-20, 0.1), c(0.1000001, 0.3)),
                table_case)
write_json(list(R = R.version.string, tables = cases), out, digits = I(17), auto_unbox = TRUE,
           na = "null")
