# Linear models with clusters, analyses of variance and marginal means, by stats, clubSandwich and emmeans.
# Run: Rscript tests/r/lm.R (writes lm.json beside it).

suppressMessages({library(clubSandwich); library(emmeans); library(jsonlite)})

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
    out$clusters <- list(by_cluster(as.formula(formula), d, d[[cluster]], cluster), by_cluster(as.formula(formula), d, seq_len(nrow(d)), "row"))
  out
}

# CR2 with Satterthwaite's degrees of freedom; each term by Hotelling's test in the model up to it; marginal means of keep.
by_cluster <- function(formula, d, code, name) {
  fit <- lm(formula, d)
  vcov <- vcovCR(fit, cluster = code, type = "CR2")
  coefs <- coef_test(fit, vcov = vcov, test = "Satterthwaite")
  terms <- attr(terms(fit), "term.labels")
  wald <- lapply(seq_along(terms), function(k) {
    part <- lm(reformulate(terms[1:k], formula[[2]]), d)
    w <- Wald_test(part, constraints = constrain_zero(which(part$assign == k)),
                   vcov = vcovCR(part, cluster = code, type = "CR2"), test = "HTZ")
    c(w$df_num, w$df_denom, w$Fstat, w$p_val)
  })
  whole <- Wald_test(fit, constraints = constrain_zero(2:length(coef(fit))), vcov = vcov, test = "HTZ")
  e <- suppressMessages(emmeans(fit, "keep"))
  means <- linear_contrast(fit, vcov = vcov, contrasts = e@linfct)
  list(by = name, var = unname(as.matrix(vcov)[, ]), df = coefs$df_Satt, p = coefs$p_Satt, rows = terms, anova = do.call(rbind, wald),
       f = c(whole$Fstat, whole$df_num, whole$df_denom), levels = levels(factor(d$keep)),
       mean = means$Est, se = means$SE, mean_df = means$df, low = means$CI_L)
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
  made_by = paste("clubSandwich", packageVersion("clubSandwich"), "and emmeans", packageVersion("emmeans"), "in", R.version.string),
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
