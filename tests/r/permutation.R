# Permutation tests by vegan and energy, as a reference.
# Usage: Rscript permutation.R [output.json]   (default: beside this script)
suppressPackageStartupMessages({library(vegan); library(energy); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "permutation.json")
set.seed(20240203)
options(useFancyQuotes = FALSE, width = 80)

plain <- function(x) {
  text <- capture.output(print(x))
  sub("[ ]+$", "", gsub("[\u2018\u2019]", "'", text))
}
square <- function(d) unname(as.matrix(d))
# Rows of permutations, which Python counts from 0.
draw <- function(n, B, strata = NULL) {
  one <- function(i) {
    p <- seq_len(n)
    if (is.null(strata)) return(sample(n))
    for (s in unique(strata)) {
      at <- which(strata == s)
      p[at] <- at[sample.int(length(at))]
    }
    p
  }
  t(sapply(seq_len(B), one))
}

x20 <- matrix(rnorm(20 * 4), 20) %*% diag(c(4, 3, 2, 1))
f20 <- data.frame(group = rep(c("a", "b", "c"), c(4, 7, 9)),
                  other = sample(rep(c("p", "q"), c(8, 12))),
                  z = round(rnorm(20), 3))
x20[f20$group == "b", 1] <- x20[f20$group == "b", 1] + 5
block <- rep(c("s1", "s2", "s3", "s4"), each = 5)
counts <- matrix(rpois(20 * 6, 3), 20)
bray <- vegdist(counts + 1)                       # not Euclidean
rough <- matrix(0, 20, 20)
rough[lower.tri(rough)] <- runif(190, 1, 10)      # breaks the triangle inequality
rough <- as.dist(rough + t(rough))
grid <- dist(as.matrix(expand.grid(0:4, 0:3)))    # ties
twice <- dist(x20[c(1:10, 1:10), ])               # zero distances
x9 <- matrix(rnorm(18), 9)
sets <- list(n20 = draw(20, 199), strata = draw(20, 199, block), n9 = draw(9, 199),
             n3 = draw(3, 199))
set_of <- function(n, strata = NULL) if (is.null(strata)) paste0("n", n) else "strata"
f9 <- data.frame(group = rep(c("a", "b", "c"), c(2, 3, 4)))

adonis_case <- function(name, d, data, right, by = "terms", strata = NULL) {
  d <- as.dist(square(d))
  set <- set_of(nrow(data), strata)
  P <- sets[[set]]
  f <- as.formula(paste("d ~", right))
  fit <- adonis2(f, data = data, permutations = P, by = by)
  list(name = name, d = square(d), data = as.list(data), right = right, by = by,
       strata = strata, permutations = set, terms = I(rownames(fit)), df = fit$Df,
       sum_of_squares = fit$SumOfSqs, r2 = fit$R2, f = fit$F, p_value = fit$`Pr(>F)`)
}
euclid <- dist(x20)
cases <- list(
  adonis_case("one factor, unequal groups", euclid, f20, "group"),
  adonis_case("two factors, sequential", euclid, f20, "group + other"),
  adonis_case("two factors, other order", euclid, f20, "other + group"),
  adonis_case("two factors, marginal", euclid, f20, "group + other", "margin"),
  adonis_case("interaction, sequential", euclid, f20, "group * other"),
  adonis_case("interaction, marginal", euclid, f20, "group * other", "margin"),
  adonis_case("interaction and covariate, marginal", euclid, f20, "group * other + z", "margin"),
  adonis_case("interaction alone", euclid, f20, "group:other"),
  adonis_case("covariate", euclid, f20, "z"),
  adonis_case("covariate and factor", euclid, f20, "z + group"),
  adonis_case("covariate by factor", euclid, f20, "z * group"),
  adonis_case("whole model", euclid, f20, "group * other + z", NULL),
  adonis_case("strata", euclid, f20, "group + z", strata = block),
  adonis_case("strata, marginal", euclid, f20, "group + z", "margin", strata = block),
  adonis_case("Bray-Curtis", bray, f20, "group * z"),
  adonis_case("Bray-Curtis, marginal", bray, f20, "group + z", "margin"),
  adonis_case("triangle inequality broken", rough, f20, "group + other"),
  adonis_case("ties", grid, f20, "group + other"),
  adonis_case("zero distances", twice, f20, "group"),
  adonis_case("groups of few", dist(x9), f9, "group"),
  adonis_case("n = 3", dist(c(0, 1, 5)), data.frame(group = c("a", "a", "b")), "group"),
  adonis_case("a term that adds nothing", euclid, cbind(f20, same = f20$group), "group + same + z")
)

# Small enough for vegan to take every permutation.
exact_case <- function(name, d, data, right, strata = NULL, by = "terms") {
  f <- as.formula(paste("d ~", right))
  fit <- suppressMessages(adonis2(f, data = data, permutations = 999, strata = strata, by = by))
  list(name = name, d = square(d), data = as.list(data), right = right, strata = strata, by = by,
       count = attr(fit, "control")$nperm, p_value = fit$`Pr(>F)`)
}
f6 <- data.frame(group = c("a", "a", "b", "b", "b", "c"), z = c(1, 3, 2, 5, 4, 7))
f5 <- data.frame(group = c("a", "a", "b", "b", "b"))
x6 <- matrix(rnorm(12), 6)
exact <- list(
  exact_case("n = 5", dist(x9[1:5, ]), f5, "group"),
  exact_case("n = 6, two terms", dist(x6), f6, "group + z"),
  exact_case("n = 6, marginal", dist(x6), f6, "group + z", by = "margin"),
  exact_case("ties", dist(c(0, 0, 1, 1, 2)), f5, "group"),
  exact_case("strata", dist(x6), f6, "z", strata = c("u", "u", "u", "v", "v", "v"))
)

disperse_case <- function(name, d, group, type = "median", adjust = FALSE) {
  d <- as.dist(square(d))
  fit <- suppressWarnings(betadisper(d, group, type = type, bias.adjust = adjust))
  P <- sets[[set_of(length(group))]]
  test <- permutest(fit, pairwise = TRUE, permutations = P)
  pos <- fit$eig > 0
  spread <- sapply(levels(fit$group), function(g) c(
    sum(sqrt(rowSums(sweep(fit$vectors[fit$group == g, pos, drop = FALSE], 2,
                           fit$centroids[g, pos])^2))),
    sum(sqrt(rowSums(sweep(fit$vectors[fit$group == g, !pos, drop = FALSE], 2,
                           fit$centroids[g, !pos])^2)))))
  tab <- anova(fit)
  list(name = name, d = square(d), group = as.character(group), type = type, adjust = adjust,
       eig = unname(fit$eig), distances = unname(fit$distances),
       group_distances = as.vector(fit$group.distances), objective = unname(t(spread)),
       anova = list(df = tab$Df, ss = tab$`Sum Sq`, ms = tab$`Mean Sq`, f = tab$`F value`[1],
                    p = tab$`Pr(>F)`[1]),
       permutations = set_of(length(group)), p_value = test$tab[1, 6],
       t = unname(test$statistic[-1]), pair_observed = unname(test$pairwise$observed),
       pair_permuted = unname(test$pairwise$permuted))
}
types <- c("median", "centroid")
disperse <- c(
  lapply(types, function(t) disperse_case(paste("Euclidean", t), euclid, f20$group, t)),
  lapply(types, function(t) disperse_case(paste("adjusted", t), euclid, f20$group, t, TRUE)),
  lapply(types, function(t) disperse_case(paste("Bray-Curtis", t), bray, f20$group, t)),
  lapply(types, function(t) disperse_case(paste("triangle inequality broken", t), rough, f20$other, t)),
  lapply(types, function(t) disperse_case(paste("ties", t), grid, f20$group, t)),
  lapply(types, function(t) disperse_case(paste("zero distances", t), twice, f20$group, t)),
  lapply(types, function(t) disperse_case(paste("one dimension", t), dist(x20[, 1]), f20$other, t)),
  lapply(types, function(t) disperse_case(paste("groups of few", t), dist(x9), f9$group, t))
)

energy_case <- function(name, x, sizes, distance = FALSE) {
  test <- eqdist.etest(x, sizes, distance = distance, R = 999)
  list(name = name, x = if (distance) square(x) else as.matrix(x), sizes = sizes,
       distance = distance, statistic = unname(test$statistic), p_value = test$p.value,
       method = test$method)
}
etest <- list(
  energy_case("two samples", x20, c(8, 12)),
  energy_case("three samples", x20, c(4, 7, 9)),
  energy_case("five samples", x20, c(4, 4, 1, 9, 2)),
  energy_case("univariate", x20[, 1], c(10, 10)),
  energy_case("distances", euclid, c(4, 16), TRUE),
  energy_case("Bray-Curtis", bray, c(4, 7, 9), TRUE),
  energy_case("ties", grid, c(10, 10), TRUE),
  energy_case("zero distances", x20[c(1:10, 1:10), ], c(10, 10)),
  energy_case("n = 3", c(0, 1, 5), c(1, 1, 1))
)

# Blocks as R prints them, on given permutations or on all.
d <- euclid; data <- f20; group <- f20$group; permutations <- sets$n20
small <- as.dist(square(dist(x9[1:5, ])))
blocks <- list(
  d = square(d), data = as.list(data), small = square(small),
  terms = plain(adonis2(formula = d ~ group + z, data = data, permutations = permutations)),
  margin = plain(adonis2(formula = d ~ group + z, data = data, permutations = permutations,
                         by = "margin")),
  overall = plain(adonis2(formula = d ~ group, data = data, permutations = permutations,
                          by = NULL)),
  exact = local({
    d <- small; data <- f5
    plain(suppressMessages(adonis2(formula = d ~ group, data = data)))
  }),
  energy = plain(eqdist.etest(x20, c(8, 12), R = 999)),
  energy_x = x20,
  betadisper = plain(betadisper(d = d, group = group, type = "centroid")),
  anova = plain(anova(betadisper(d, group, type = "centroid"))),
  permutest = plain(permutest(betadisper(d, group, type = "centroid"), pairwise = TRUE,
                              permutations = permutations))
)

# print.htest
x <- c(1.1, 2.3, 0.4, -0.5, 3, 2.2)
y <- c(2.1, 2.9, 3.3, 4, 5.5)
htest_case <- function(test) list(
  text = plain(test), statistic = unname(test$statistic), statistic_name = names(test$statistic),
  parameter = as.list(test$parameter), p_value = test$p.value,
  conf_int = as.vector(test$conf.int), conf_level = attr(test$conf.int, "conf.level"),
  estimate = as.list(test$estimate), null_value = as.list(test$null.value),
  alternative = test$alternative, method = test$method, data_name = test$data.name)
htest <- list(htest_case(t.test(x)), htest_case(t.test(x, y)), htest_case(cor.test(1:6, x)),
              htest_case(t.test(x * 1e5 + 1e9, conf.level = 0.9, mu = 1e5)),
              htest_case(wilcox.test(x, y, alternative = "less")),
              htest_case(shapiro.test(x)), htest_case(mantelhaen.test(UCBAdmissions)))

# What random permutations give, to be met within Monte Carlo error.
sampled <- adonis2(d ~ group + other, data = f20, permutations = 9999)
sampled_strata <- adonis2(d ~ group + other, data = f20, permutations = 9999, strata = block)
monte_carlo <- list(d = square(d), data = as.list(f20), strata = block, p_value = sampled$`Pr(>F)`[1:2],
                    p_value_strata = sampled_strata$`Pr(>F)`[1:2])

write_json(list(R = R.version.string, vegan = as.character(packageVersion("vegan")),
                energy = as.character(packageVersion("energy")), permutations = lapply(sets, function(P) P - 1L),
                adonis = cases, exact = exact,
                dispersion = disperse, etest = etest, blocks = blocks, htest = htest,
                monte_carlo = monte_carlo), out,
           digits = I(17), auto_unbox = TRUE, matrix = "rowmajor", na = "null", null = "null")
