# Kaplan-Meier estimates and Kendall's test, as a reference for the statistics of a curve.
# Usage: Rscript curves.R [output.json]   (default: beside this script)
suppressPackageStartupMessages({library(survival); library(jsonlite)})

arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
output <- if (length(arguments)) arguments[1] else file.path(dirname(script), "curves.json")

na <- function(x) ifelse(is.finite(x), x, NA)

kaplan_meier <- function(time, status, level) {
  fit <- survfit(Surv(time, status) ~ 1, conf.type = "log-log", conf.int = level)
  q <- quantile(fit, probs = c(0.25, 0.5, 0.75))
  list(time = time, status = status, level = level,
       curve = list(time = fit$time, n_risk = fit$n.risk, n_event = fit$n.event,
                    n_censor = fit$n.censor, estimate = fit$surv,
                    # broom's std.error is that of the cumulative hazard, as fit$std.err.
                    std_error = na(fit$std.err), conf_high = na(fit$upper), conf_low = na(fit$lower)),
       quantile = list(estimate = as.numeric(q$quantile), conf_low = as.numeric(q$lower),
                       conf_high = as.numeric(q$upper)),
       printed = capture.output(print(fit)))
}

set.seed(20240607)
survival_cases <- list(
  kaplan_meier(c(3, 5, 5, 8, 11, 20, 20, 20), c(1, 1, 1, 1, 1, 0, 0, 0), 0.95),
  kaplan_meier(c(4, 9, 12, 12), c(1, 1, 1, 1), 0.95),
  kaplan_meier(c(0, 0, 2, 7, 30, 30, 30), c(1, 1, 1, 1, 1, 0, 0), 0.9),
  kaplan_meier(c(6, 40, 40, 40, 40), c(1, 0, 0, 0, 0), 0.95),
  kaplan_meier(c(25, 30), c(1, 1), 0.95),
  kaplan_meier(pmin(60, 1 + rgeom(40, 0.03)), rep(1, 40), 0.95))
x <- 1 + rgeom(30, 0.02)
survival_cases <- c(survival_cases, list(kaplan_meier(pmin(x, 50), as.numeric(x <= 50), 0.99)))

kendall <- function(x, exact) {
  test <- suppressWarnings(cor.test(seq_along(x), x, method = "kendall", exact = exact,
                                    continuity = TRUE))
  list(x = x, exact = exact, statistic = unname(test$statistic), tau = unname(test$estimate),
       p_value = test$p.value)
}
kendall_cases <- list(
  kendall(c(5, 3, 4, 1, 2, 0.5), TRUE), kendall(rnorm(9), TRUE), kendall(cumsum(rnorm(30)), TRUE),
  kendall(rnorm(49) - 0.02 * 1:49, TRUE), kendall(rnorm(80) - 0.01 * 1:80, FALSE),
  kendall(round(rnorm(25) - 0.05 * 1:25, 0), FALSE), kendall(c(3, 3, 2, 2, 1, 1, 1), FALSE))

write_json(list(survfit = survival_cases, kendall = kendall_cases,
                versions = list(R = R.version.string,
                                survival = as.character(packageVersion("survival")))),
           output, digits = 15, auto_unbox = TRUE, na = "null", pretty = TRUE)
