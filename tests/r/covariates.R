# Families and sizes of models as terms, by vegan: between models and between their answers.
# Usage: Rscript covariates.R [output.json]   (default: beside this script)
suppressPackageStartupMessages({library(vegan); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "covariates.json")
set.seed(20240518)

models <- data.frame(model = letters[1:8], family = rep(c("x", "y", "z"), c(3, 3, 2)),
                     size = c(1.7, 7, 70, 1, 8, 27, .5, 14),
                     open = c(TRUE, FALSE, TRUE, TRUE, FALSE, TRUE, FALSE, TRUE))
answers <- models[rep(1:8, each = 5), ]
points <- round(matrix(rnorm(40 * 3), 40) + as.integer(factor(answers$family)) / 2 +
                log(answers$size) / 4, 3)
means <- rowsum(points, answers$model) / 5

fits <- function(x, data, right) {
  d <- dist(x)
  orders <- t(replicate(49, sample(nrow(data))))
  f <- as.formula(paste("d ~", right))
  one <- function(by) {
    fit <- adonis2(f, data = data, permutations = orders, by = by)
    list(terms = rownames(fit), df = fit$Df, sum_of_squares = fit$SumOfSqs, r2 = fit$R2,
         f = fit$F, p_value = fit$`Pr(>F)`)
  }
  list(right = right, permutations = orders - 1, terms = one("terms"), margin = one("margin"))
}
dispersion <- function(x, group) {
  fit <- betadisper(dist(x), group, type = "centroid")
  list(distances = unname(fit$distances), means = unname(fit$group.distances),
       f = anova(fit)$`F value`[1])
}

write_json(list(R = R.version.string, vegan = as.character(packageVersion("vegan")),
                models = models, points = points,
                between_models = fits(means, models, "family + log(size) + open"),
                between_answers = fits(points, answers, "family + size"),
                dispersion = list(family = dispersion(points, answers$family),
                                  open = dispersion(points, answers$open))),
           out, digits = NA, auto_unbox = TRUE, na = "null", dataframe = "columns")
