# sqrt.dist and add, Kendall's Mantel, partial Mantel and TukeyHSD by vegan, as a reference.
# Usage: Rscript distances.R [output.json]   (default: beside this script)
suppressPackageStartupMessages({library(vegan); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "distances.json")
set.seed(20261130)
options(useFancyQuotes = FALSE, width = 80)

square <- function(d) unname(as.matrix(d))
printed <- function(x) {
  # Without the call, whose form is R's own, and without trailing blanks.
  lines <- sub(" +$", "", gsub("[\u2018\u2019]", "'", capture.output(print(x))))
  at <- which(lines == "Call:")
  if (length(at)) lines <- lines[-(at + 0:2)]
  lines
}
# JSON holds 15 digits of a number: distances are made to have no more, so that ranks agree.
short <- function(d) as.dist(round(square(d), 10))
draw <- function(n, B) t(sapply(seq_len(B), function(i) sample(n)))

data(dune); data(dune.env); data(varespec); data(varechem)
rough <- matrix(0, 14, 14)
rough[lower.tri(rough)] <- runif(91, 1, 10)      # breaks the triangle inequality
points <- matrix(rnorm(24 * 3), 24)
data_sets <- list(
  dune = list(d = vegdist(dune), data = data.frame(Management = dune.env$Management,
                                                   A1 = dune.env$A1)),
  varespec = list(d = vegdist(varespec), data = data.frame(
    Management = rep(c("a", "b", "c"), c(6, 8, 10)), A1 = varechem$N)),
  rough = list(d = as.dist(rough + t(rough)), data = data.frame(
    Management = rep(c("a", "b", "c"), c(3, 5, 6)), A1 = round(rnorm(14), 2))),
  euclidean = list(d = dist(points), data = data.frame(
    Management = rep(c("a", "b"), 12), A1 = round(rnorm(24), 2))),
  repeated = list(d = vegdist(dune[c(1:7, 1:7), ]), data = data.frame(
    Management = rep(c("a", "b"), c(5, 9)), A1 = c(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7))))

adds <- list(FALSE, "lingoes", "cailliez", TRUE)
P <- list()
adonis <- list()
disperse <- list()
for (name in names(data_sets)) {
  d <- data_sets[[name]]$d <- short(data_sets[[name]]$d)
  data <- data_sets[[name]]$data
  n <- nrow(data)
  P[[name]] <- draw(n, 99)
  for (root in c(FALSE, TRUE)) for (add in adds) {
    fit <- adonis2(d ~ Management + A1, data = data, permutations = P[[name]],
                   sqrt.dist = root, add = add)
    whole <- adonis2(d ~ Management, data = data, permutations = P[[name]],
                     sqrt.dist = root, add = add)
    adonis <- c(adonis, list(list(
      set = name, sqrt_dist = root, add = add, terms = I(rownames(fit)), df = fit$Df,
      sum_of_squares = fit$SumOfSqs, r2 = fit$R2, f = fit$F,
      whole_f = whole$F[1], whole_p = whole$`Pr(>F)`[1])))
    for (type in c("median", "centroid")) {
      spread <- suppressWarnings(betadisper(d, data$Management, type = type, sqrt.dist = root,
                                            add = add))
      tukey <- TukeyHSD(spread)
      ordered <- TukeyHSD(spread, ordered = TRUE, conf.level = 0.9)
      disperse <- c(disperse, list(list(
        set = name, sqrt_dist = root, add = add, type = type, eig = unname(spread$eig),
        distances = unname(spread$distances), f = anova(spread)$`F value`[1],
        tukey = list(names = I(rownames(tukey$group)), table = unname(tukey$group)),
        ordered = list(names = I(rownames(ordered$group)), table = unname(ordered$group)))))
    }
  }
}
tukey_spread <- betadisper(data_sets$dune$d, dune.env$Management, type = "centroid")

methods <- c("pearson", "spearman", "kendall")
mantel_sets <- list(
  varespec = list(x = vegdist(varespec), y = dist(scale(varechem)),
                  z = dist(varechem$pH)),
  dune = list(x = vegdist(dune), y = dist(dune.env$A1),
              z = dist(as.integer(dune.env$Management))),
  ties = list(x = dist(as.matrix(expand.grid(0:2, 0:2))), y = dist(c(0, 0, 1, 1, 2, 2, 3, 3, 9)),
              z = dist(c(1, 2, 3, 1, 2, 3, 1, 2, 4))),
  negative = list(x = dist(1:8), y = max(dist(1:8)) - dist(1:8) + 0.1 * dist(c(2, 1, 4, 3, 6, 5, 8, 7)),
                  z = dist(rnorm(8))))
mantels <- list()
for (name in names(mantel_sets)) {
  s <- lapply(mantel_sets[[name]], short)
  rows <- draw(attr(s$x, "Size"), 99)
  for (method in methods) {
    plain <- mantel(s$x, s$y, method = method, permutations = rows)
    partial <- mantel.partial(s$x, s$y, s$z, method = method, permutations = rows)
    mantels <- c(mantels, list(list(
      name = paste(name, method), method = method, x = square(s$x), y = square(s$y),
      z = square(s$z), permutations = rows - 1,
      statistic = plain$statistic, p = plain$signif, perm = plain$perm, printed = printed(plain),
      partial = list(statistic = partial$statistic, p = partial$signif, perm = partial$perm,
                     printed = printed(partial)))))
  }
}

write_json(list(
  made_by = paste("vegan", packageVersion("vegan"), "in", R.version.string),
  sets = lapply(data_sets, function(s) list(d = square(s$d), data = lapply(s$data, function(x)
    if (is.factor(x)) as.character(x) else x))),
  permutations = lapply(P, function(p) p - 1), adonis = adonis, dispersion = disperse,
  printed = list(tukey = printed(TukeyHSD(tukey_spread)),
                 ordered = printed(TukeyHSD(tukey_spread, ordered = TRUE, conf.level = 0.99))),
  mantel = mantels), out, digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
