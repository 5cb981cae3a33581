# Collapse as survival: curves, log-rank tests and Cox models, by survival.
# Run: Rscript tests/r/survival.R (writes survival.json beside it).

suppressMessages({library(survival); library(jsonlite)})

folder <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))

veteran$celltype <- as.character(veteran$celltype)
kept <- lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")]
kept <- kept[complete.cases(kept), ]
kept$status <- kept$status - 1
data <- list(aml = aml, veteran = veteran[, c("trt", "celltype", "time", "status", "karno", "age")],
             lung = kept, kidney = kidney[, c("id", "time", "status", "age", "sex", "disease")])
data <- lapply(data, function(d) {
  i <- sapply(d, is.factor)
  d[i] <- lapply(d[i], as.character)
  d
})

number <- function(x) unname(as.numeric(x))

curves <- function(formula, of, conf.type) {
  fit <- survfit(as.formula(formula), data[[of]], conf.type = conf.type)
  s <- summary(fit, censored = TRUE)
  q <- quantile(fit, c(.25, .5))
  t <- summary(fit)$table
  list(formula = formula, data = of, conf_type = conf.type, time = s$time, n_risk = s$n.risk,
       n_event = s$n.event, estimate = s$surv, std_error = s$std.err / s$surv,
       conf_low = s$lower, conf_high = s$upper,
       strata = if (is.null(s$strata)) NULL else as.character(s$strata),
       median = if (is.matrix(t)) number(t[, "median"]) else number(t["median"]),
       lower = if (is.matrix(t)) number(t[, ncol(t) - 1]) else number(t[length(t) - 1]),
       upper = if (is.matrix(t)) number(t[, ncol(t)]) else number(t[length(t)]),
       print = capture.output(print(fit))[-(1:2)])
}

ranks <- function(formula, of, rho) {
  fit <- survdiff(as.formula(formula), data[[of]], rho = rho)
  sum_strata <- function(x) if (is.matrix(x)) rowSums(x) else x
  list(formula = formula, data = of, rho = rho, n = number(tapply(fit$n, names(fit$n), sum)[unique(names(fit$n))]),
       observed = number(sum_strata(fit$obs)), expected = number(sum_strata(fit$exp)),
       var = unname(as.matrix(fit$var)), chisq = fit$chisq, pvalue = fit$pvalue,
       print = capture.output(print(fit))[-(1:3)])
}

cox <- function(formula, of, ties = "efron", cluster = NULL) {
  d <- data[[of]]
  fit <- if (is.null(cluster)) coxph(as.formula(formula), d, ties = ties) else
    do.call(coxph, list(as.formula(formula), d, ties = ties, cluster = as.name(cluster)))
  s <- summary(fit)
  list(formula = formula, data = of, ties = ties, cluster = cluster, names = names(coef(fit)),
       coef = number(coef(fit)), var = unname(as.matrix(vcov(fit))), loglik = fit$loglik,
       se = number(s$coefficients[, "se(coef)"]), n = fit$n, nevent = fit$nevent,
       likelihood = number(s$logtest), wald = number(s$waldtest), score = number(s$sctest),
       print = capture.output(print(fit))[-(1:(which(capture.output(print(fit)) == "")[1]))],
       summary = local({p <- capture.output(print(s)); p[grep("^  n=", p)[1]:length(p)]}))
}

# The log-rank test with clusters is the robust score test of a Cox model with Breslow's ties.
robust_ranks <- function(terms) {
  formula <- paste("Surv(time, status) ~", terms)
  s <- summary(coxph(as.formula(formula), data$kidney, ties = "breslow", cluster = id))
  list(formula = formula, chisq = unname(s$robscore["test"]), df = unname(s$robscore["df"]))
}

out <- list(
  made_by = paste("survival", packageVersion("survival"), "in", R.version.string),
  data = data,
  survfit = list(
    curves("Surv(time, status) ~ 1", "aml", "log"), curves("Surv(time, status) ~ x", "aml", "log"),
    curves("Surv(time, status) ~ x", "aml", "log-log"), curves("Surv(time, status) ~ x", "aml", "plain"),
    curves("Surv(time, status) ~ celltype", "veteran", "log"),
    curves("Surv(time, status) ~ trt + celltype", "veteran", "log"),
    curves("Surv(time, status) ~ sex", "lung", "log-log")),
  survdiff = list(
    ranks("Surv(time, status) ~ x", "aml", 0), ranks("Surv(time, status) ~ x", "aml", 1),
    ranks("Surv(time, status) ~ celltype", "veteran", 0),
    ranks("Surv(time, status) ~ celltype + trt", "veteran", 0),
    ranks("Surv(time, status) ~ celltype + strata(trt)", "veteran", 0),
    ranks("Surv(time, status) ~ sex + strata(inst)", "lung", 0.5)),
  robust_ranks = list(robust_ranks("sex"), robust_ranks("disease"), robust_ranks("disease + strata(sex)")),
  coxph = list(
    cox("Surv(time, status) ~ x", "aml"), cox("Surv(time, status) ~ x", "aml", "breslow"),
    cox("Surv(time, status) ~ trt * celltype + karno", "veteran"),
    cox("Surv(time, status) ~ karno + age + strata(celltype)", "veteran"),
    cox("Surv(time, status) ~ age + sex + ph.ecog", "lung"),
    cox("Surv(time, status) ~ log(age) + I(sex == 2) + strata(inst)", "lung"),
    cox("Surv(time, status) ~ age + sex + disease", "kidney", cluster = "id"),
    cox("Surv(time, status) ~ age + sex", "kidney", "breslow", cluster = "id")))
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null", null = "null"), file.path(folder, "survival.json"))
