# Procrustes rotation, protest and Mantel test by vegan, as a reference.
# Usage: Rscript procrustes.R [output.json]   (default: beside this script)
suppressPackageStartupMessages(library(vegan))
library(jsonlite)
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "procrustes.json")
set.seed(19950301)

rows <- function(m) unname(as.matrix(m))
turn <- function(a) matrix(c(cos(a), sin(a), -sin(a), cos(a)), 2)
printed <- function(x) {
  # Without the call, whose form is R's own, and without trailing blanks.
  lines <- sub(" +$", "", capture.output(print(x)))
  at <- which(lines == "Call:")
  if (length(at)) lines <- lines[-(at + 0:2)]
  lines
}

x <- matrix(rnorm(10 * 2), 10) %*% diag(c(3, 1)) + 4
y <- 2.5 * (x %*% turn(0.7)) + matrix(rnorm(20, sd = 0.4), 10) - 6
x3 <- cbind(x, rnorm(10))
y3 <- cbind(y, rnorm(10, sd = 2))
mirror <- x %*% diag(c(1, -1)) + 1
line <- cbind(1:8, 2 * (1:8)) + 0.5
other_line <- cbind(3 * (1:8), -(1:8)) + rnorm(8, sd = 0.1)
grid <- as.matrix(expand.grid(0:2, 0:2))
shuffled <- grid[c(3, 1, 2, 6, 4, 5, 9, 7, 8), ]
three <- matrix(c(0, 3, 0, 0, 0, 4), 3)
four <- matrix(c(0, 3, 0, 7, 0, 0, 4, 7), 4)
four_noisy <- four + c(0.5, -0.2, 0.9, 0.1, -1, 0.3, 0.2, 0.6)

rotate_case <- function(name, x, y, scale, symmetric, determined = TRUE) {
  fit <- suppressWarnings(procrustes(x, y, scale = scale, symmetric = symmetric))
  list(name = paste0(name, if (scale) ", scaled", if (symmetric) ", symmetric"),
       x = rows(x), y = rows(y), scaled = scale, symmetric = symmetric,
       determined = determined, ss = fit$ss, rotation = rows(fit$rotation),
       translation = as.vector(fit$translation), scale = fit$scale, yrot = rows(fit$Yrot),
       target = rows(fit$X), fitted = rows(fitted(fit)), residuals = unname(residuals(fit)),
       rmse = summary(fit)$rmse,
       quantiles = unname(quantile(residuals(fit))))
}
both <- function(name, x, y, determined = TRUE) {
  out <- list()
  for (scale in c(TRUE, FALSE)) for (symmetric in c(TRUE, FALSE))
    out <- c(out, list(rotate_case(name, x, y, scale, symmetric, determined)))
  out
}
rotations <- c(
  both("plane", x, y), both("space", x3, y3), both("mirror image", x, mirror),
  both("target with more columns", x3, y), both("target with fewer columns", x, y3, FALSE),
  both("target a line", x[, 1, drop = FALSE], y, FALSE),
  both("points on a line", x, y[, 1, drop = FALSE]),
  # X'Y has rank 1: the sign of what is across the line is free.
  both("target collinear", line, other_line, FALSE),
  both("nearly collinear", line + c(0, 0.1), other_line), both("both exactly collinear", line, line %*% turn(1), FALSE),
  both("grid, shuffled", grid, shuffled), both("n = 3", three, three %*% turn(2) * 5 + 1),
  both("far from the origin", x + 1e4, y - 1e4))

# Permutations are handed over, so that every permuted statistic can be compared.
orders <- function(n, count) t(replicate(count, sample(n)))
all_orders <- function(n) {
  # Complete enumeration but the identity, in the order of permute::allPerms.
  p <- permute::allPerms(n)
  matrix(as.integer(p), ncol = n)
}
test_case <- function(fit, name, ..., permutations)
  c(list(name = name, permutations = rows(permutations) - 1L, p = fit$signif,
         printed = printed(fit)), list(...))
protest_case <- function(name, x, y, permutations) {
  fit <- protest(x, y, permutations = permutations)
  test_case(fit, name, permutations = permutations, x = rows(x), y = rows(y), ss = fit$ss,
            t0 = fit$t0, t = fit$t)
}
protests <- list(
  protest_case("plane", x, y, orders(10, 99)), protest_case("space", x3, y3, orders(10, 99)),
  protest_case("unrelated", x, matrix(rnorm(20), 10), orders(10, 199)),
  protest_case("target with more columns", x3, y, orders(10, 99)),
  protest_case("grid, ties", grid, shuffled, orders(9, 199)),
  protest_case("all permutations of 3", three, three[c(2, 1, 3), ], all_orders(3)),
  protest_case("all permutations of 4", four, four_noisy, all_orders(4)))

mantel_case <- function(name, a, b, method, permutations) {
  fit <- mantel(a, b, method = method, permutations = permutations)
  test_case(fit, paste(name, method), permutations = permutations, d1 = rows(as.matrix(a)),
            d2 = rows(as.matrix(b)), method = method, statistic = fit$statistic, perm = fit$perm)
}
rough <- as.dist(matrix(runif(81), 9))
mantels <- list()
for (method in c("pearson", "spearman")) mantels <- c(mantels, list(
  mantel_case("plane", dist(x), dist(y), method, orders(10, 199)),
  mantel_case("manhattan", dist(x, "manhattan"), dist(x3), method, orders(10, 99)),
  mantel_case("grid, ties", dist(grid), dist(shuffled), method, orders(9, 199)),
  mantel_case("rough", rough, dist(grid), method, orders(9, 199)),
  mantel_case("zero distances", dist(x[c(1, 1, 2:6), ]), dist(x[c(2, 3, 3:7), ]), method,
              orders(7, 99)),
  mantel_case("all permutations of 4", dist(four), dist(four_noisy), method, all_orders(4)),
  mantel_case("all permutations of 3", dist(three), dist(three[c(2, 1, 3), ]), method,
              all_orders(3))))

# With a number of permutations, small cases are enumerated by vegan itself.
enumerated <- list(
  n = 5, x = rows(x[1:5, ]), y = rows(x[c(2, 1, 3:5), ]),
  protest = protest(x[1:5, ], x[c(2, 1, 3:5), ], permutations = 999)$signif,
  mantel = mantel(dist(x[1:5, ]), dist(x[c(2, 1, 3:5), ]), permutations = 999)$signif)

write_json(list(R = R.version.string, vegan = as.character(packageVersion("vegan")),
                procrustes = rotations, protest = protests, mantel = mantels,
                enumerated = enumerated),
           out, digits = I(17), auto_unbox = TRUE, matrix = "rowmajor", na = "null", null = "null")
