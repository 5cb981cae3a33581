# Linear models with clusters, analyses of variance and marginal means, by stats, sandwich and emmeans.
# Run: Rscript tests/r/lm.R (writes lm.json beside it).

suppressMessages({library(sandwich); library(emmeans); library(jsonlite)})

folder <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
set.seed(20261130)
grid <- expand.grid(keep = c("all", "last", "random"), fresh = c(0, 0.1, 0.3), beta = c("low", "high"),
                    replicate = 1:6, stringsAsFactors = FALSE)
grid$fnorm <- round(exp(rnorm(nrow(grid), 0, 0.3) + (grid$keep == "last") - grid$fresh
                        + rnorm(6, 0, 0.4)[grid$replicate]), 6)
data <- list(grid = grid, some = grid[-c(3, 17, 18, 40, 71, 90), ],
             cars = mtcars[, c("mpg", "wt", "hp", "cyl")])

number <- function(x) unname(as.numeric(x))
block <- function(x) trimws(capture.output(x), "right")

model <- function(formula, of, cluster = NULL) {
  d <- data[[of]]
  fit <- lm(as.formula(formula), d)
  s <- summary(fit)
  a <- anova(fit)
  p <- block(print(s))
  q <- block(print(a))
  out <- list(formula = formula, data = of, cluster = cluster, names = names(coef(fit)), coef = number(coef(fit)),
       var = unname(vcov(fit)), sigma = s$sigma, df = fit$df.residual, r2 = s$r.squared, adj_r2 = s$adj.r.squared,
       f = number(s$fstatistic), ends = unname(confint(fit)), loglik = number(logLik(fit)), aic = AIC(fit), bic = BIC(fit),
       anova = lapply(a, number), rows = rownames(a), summary = p[grep("^Residuals|^Coefficients", p)[1]:length(p)],
       anova_print = q[grep("^Response", q)[1]:length(q)])
  if (!is.null(cluster))
    out$cluster_var <- unname(vcovCL(fit, cluster = d[[cluster]], type = "HC0", cadjust = TRUE))
  out
}

means <- function(formula, of, specs, contrast) {
  fit <- lm(as.formula(formula), data[[of]])
  e <- emmeans(fit, specs)
  p <- as.data.frame(contrast(e, contrast, adjust = "holm"))
  q <- as.data.frame(contrast(e, contrast, adjust = if (contrast == "pairwise") "tukey" else "none"))
  t <- as.data.frame(e)
  list(formula = formula, data = of, specs = specs, contrast = contrast,
       levels = lapply(t[specs], as.character), mean = t$emmean, se = t$SE, df = t$df, low = t$lower.CL, high = t$upper.CL,
       pair = as.character(p$contrast), difference = p$estimate, difference_se = p$SE, t = p$t.ratio, p = p$p.value, tukey = q$p.value)
}

out <- list(
  made_by = paste("sandwich", packageVersion("sandwich"), "and emmeans", packageVersion("emmeans"), "in", R.version.string),
  data = data,
  lm = list(
    model("mpg ~ wt + hp", "cars"), model("mpg ~ factor(cyl) * wt", "cars"), model("log(mpg) ~ poly(hp, 2)", "cars"),
    model("mpg ~ 1", "cars"), model("mpg ~ 0 + wt + hp", "cars"),
    model("log(fnorm) ~ keep * fresh + beta", "grid", "replicate"),
    model("log(fnorm) ~ keep * fresh + beta", "some", "replicate"),
    model("fnorm ~ keep * beta", "grid", "replicate")),
  emmeans = list(
    means("log(fnorm) ~ keep * fresh + beta", "grid", "keep", "pairwise"),
    means("log(fnorm) ~ keep * fresh + beta", "some", "keep", "pairwise"),
    means("log(fnorm) ~ keep * beta", "some", c("keep", "beta"), "pairwise"),
    means("log(fnorm) ~ keep * beta + fresh", "some", "beta", "trt.vs.ctrl")))
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null"), file.path(folder, "lm.json"))
