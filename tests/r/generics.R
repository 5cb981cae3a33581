# AIC and BIC of several fits of nls, as R lays them out in a table.
# Usage: Rscript generics.R [output.json]   (default: beside this script)
suppressPackageStartupMessages(library(jsonlite))

arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
output <- if (length(arguments)) arguments[1] else file.path(dirname(script), "generics.json")

x <- 1:10
y <- c(2.9, 2.1, 1.7, 1.5, 1.2, 1.15, 1.1, 1.02, 1.04, 0.98)
data <- data.frame(x, y)
line <- nls(y ~ a + b * x, data, start = list(a = 3, b = -0.1))
curve <- nls(y ~ c + a * exp(-k * x), data, start = list(c = 1, a = 3, k = 0.5))
table <- function(t) list(df = t$df, value = t[[2]], names = names(t))
out <- list(
  x = x, y = y,
  AIC = table(AIC(line, curve)), AIC3 = table(AIC(line, curve, k = 3)),
  BIC = table(BIC(line, curve))
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), output)
