# Distances and classical scaling by R's own functions, as a reference.
# Usage: Rscript cmdscale.R [output.json]   (default: beside this script)
library(jsonlite)
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "cmdscale.json")
set.seed(20240117)

scale_case <- function(name, d, k, add = FALSE) {
  said <- NULL
  fit <- withCallingHandlers(
    cmdscale(d, k, eig = TRUE, add = add),
    warning = function(w) {
      said <<- c(said, conditionMessage(w))
      invokeRestart("muffleWarning")
    })
  list(name = name, d = as.matrix(unname(as.matrix(d))), k = k, add = add,
       points = unname(fit$points), columns = ncol(fit$points),
       eig = fit$eig, gof = fit$GOF, ac = fit$ac, warning = said)
}

random_points <- matrix(rnorm(12 * 4), 12) %*% diag(c(5, 3, 2, 1)) + 7
grid <- as.matrix(expand.grid(0:3, 0:2))
angle <- 2 * pi * (0:5) / 6
hexagon <- cbind(cos(angle), sin(angle))
twice <- rbind(random_points[1:5, ], random_points[2:4, ])
rough <- matrix(0, 8, 8)
rough[lower.tri(rough)] <- runif(28, 1, 10)
rough <- rough + t(rough)
spectrum <- as.matrix(dist(random_points, "manhattan"))
broken <- matrix(c(0, 1, 1, 1, 0, 5, 1, 5, 0), 3)
triangle <- matrix(c(0, 3, 5, 3, 0, 4, 5, 4, 0), 3)
far_pair <- matrix(c(0, 1, 1, 1,  1, 0, 9, 9,  1, 9, 0, 9,  1, 9, 9, 0), 4)

scaling <- list(
  scale_case("eurodist", eurodist, 2),
  scale_case("eurodist, five dimensions", eurodist, 5),
  scale_case("eurodist, add", eurodist, 3, TRUE),
  scale_case("random points", dist(random_points), 4),
  scale_case("manhattan", spectrum, 3),
  scale_case("manhattan, add", spectrum, 3, TRUE),
  scale_case("rough", rough, 2),
  scale_case("rough, add", rough, 4, TRUE),
  scale_case("grid, tied distances", dist(grid), 2),
  scale_case("hexagon, tied eigenvalues", dist(hexagon), 2),
  scale_case("duplicates", dist(twice), 3),
  scale_case("duplicates, manhattan, add", dist(twice, "manhattan"), 2, TRUE),
  scale_case("n = 3", triangle, 2),
  scale_case("n = 3, one dimension", triangle, 1),
  scale_case("n = 3, triangle inequality broken", broken, 2),
  scale_case("n = 3, triangle inequality broken, add", broken, 2, TRUE),
  scale_case("rough, k above the positive eigenvalues", rough, 7),
  scale_case("far pair, k above the positive eigenvalues", far_pair, 3),
  scale_case("grid, k above rank", dist(grid), 5),
  scale_case("random points, k above rank", dist(random_points), 6),
  scale_case("n = 2", dist(c(1, 4)), 1)
)

dist_case <- function(name, x, method, p = 2)
  list(name = name, x = as.matrix(x), method = method, p = p,
       vector = as.vector(dist(x, method, p = p)))

mixed <- rbind(c(0, 1.5, -2, 0, 3), c(0, 0, 2, 0, 1), c(4, -1, 0, 0, 0),
               c(1, 1, 1, 1, 1), c(0, 1.5, -2, 0, 3), c(0, 0, 0, 0, 2))
bits <- rbind(c(1, 0, 1, 0), c(0, 0, 0, 0), c(1, 1, 1, 0), c(0, 0, 0, 0), c(0, 0, 0, 1))
disjoint <- rbind(c(0, 0, 1), c(0, 0, 0), c(0, 0, 0), c(-1, 2, 0))
methods <- c("euclidean", "maximum", "manhattan", "canberra", "binary", "minkowski")
distance <- c(
  lapply(methods, function(m) dist_case(paste("mixed", m), mixed, m)),
  lapply(methods, function(m) dist_case(paste("random", m), random_points, m)),
  lapply(methods, function(m) dist_case(paste("bits", m), bits, m)),
  list(dist_case("nothing but 0/0", disjoint, "canberra"),
       dist_case("power 3", mixed, "minkowski", 3),
       dist_case("power 1/2", mixed, "minkowski", 0.5),
       dist_case("one column", c(3, 1, -4), "euclidean")))

write_json(list(R = R.version.string, cmdscale = scaling, dist = distance), out,
           digits = I(17), auto_unbox = TRUE, matrix = "rowmajor", na = "null", null = "null")
