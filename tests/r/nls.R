# Nonlinear least squares by R's own functions, as a reference.
# Usage: Rscript nls.R [output.json]   (default: beside this script)
library(jsonlite)
library(MASS)  # confint of nls, in R before 4.4
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "nls.json")
set.seed(20240229)

# Below R's default tolerance of 1e-5, so that the reference has the digits.
control <- nls.control(maxiter = 500, tol = 1e-7, minFactor = 2^-30, nDcentral = TRUE)

# Self-starts written out, as their gradient holds every parameter.
written_out <- function(formula) {
  text <- deparse1(formula)
  text <- sub("SSasymp(t, Asym, R0, lrc)", "Asym + (R0 - Asym) * exp(-exp(lrc) * t)", text, fixed = TRUE)
  text <- sub("SSasympOrig(t, Asym, lrc)", "Asym * (1 - exp(-exp(lrc) * t))", text, fixed = TRUE)
  as.formula(text, globalenv())
}

# Where the signed root of the profile really crosses, by a root of refits: R's own
# confint interpolates it by a spline.
exact_confint <- function(formula, data, fit, level = 0.95) {
  b <- coef(fit)
  if (length(b) == 1) return(NULL)
  se <- sqrt(diag(vcov(fit)))
  cutoff <- qt(0.5 + level / 2, df.residual(fit))
  formula <- written_out(formula)
  one <- function(name, sign) {
    others <- names(b)[names(b) != name]
    at <- function(size) b[[name]] + sign * size * cutoff * se[[name]]
    excess <- function(size) {
      data[[name]] <- at(size)
      start <- as.list(b[others] + vcov(fit)[others, name] / se[[name]]^2 * (at(size) - b[[name]]))
      refit <- nls(formula, data, start, weights = used, control = control)
      sqrt(max(deviance(refit) - deviance(fit), 0)) / sigma(fit) - cutoff
    }
    tryCatch(at(uniroot(excess, c(0.3, 1.3), extendInt = "upX", tol = 1e-10)$root),
             error = function(e) NA)
  }
  t(sapply(names(b), function(name) c(one(name, -1), one(name, 1))))
}

fit_case <- function(name, formula, data, start = NULL, weights = NULL, ours = NULL) {
  # The global environment is where a formula of this file finds them.
  used <<- if (is.null(weights)) rep(1, nrow(data)) else weights
  environment(formula) <- globalenv()
  fit <- tryCatch({
    # With R's own tolerance, which its search for a start can reach.
    call <- call("nls", formula, quote(data), control = quote(control))
    call$start <- if (is.null(start)) getInitial(formula, data) else start
    if (!is.null(weights)) call$weights <- quote(used)
    eval(call)
  }, error = function(e) conditionMessage(e))
  case <- list(name = name, formula = if (is.null(ours)) deparse1(formula) else ours,
               data = data, weights = weights)
  # Self-starts of the package have their starts from it; R's copy of the formula needs them.
  if (!is.null(start) && is.null(ours)) case$start <- as.list(start)
  if (is.character(fit)) return(c(case, list(error = fit)))
  splined <- tryCatch(suppressMessages(confint(fit)), error = function(e) NULL)
  c(case, list(
    coef = as.list(coef(fit)), se = unname(sqrt(diag(vcov(fit)))), vcov = unname(vcov(fit)),
    sigma = sigma(fit), deviance = deviance(fit), df = df.residual(fit),
    logLik = as.numeric(logLik(fit)), AIC = AIC(fit), BIC = BIC(fit), nobs = nobs(fit),
    fitted = as.numeric(fitted(fit)), residuals = as.numeric(residuals(fit)),
    pearson = as.numeric(residuals(fit, "pearson")),
    confint = if (is.null(splined)) NULL else unname(matrix(splined, ncol = 2)),
    exact = exact_confint(formula, data, fit),
    print = capture.output(print(fit)), summary = capture.output(print(summary(fit)))))
}

asymp <- function(t, Asym, R0, lrc) Asym + (R0 - Asym) * exp(-exp(lrc) * t)
power <- function(t, c, a, b) c + a * (t + 1)^-b
t <- 0:24
noise <- rnorm(25)
decay <- data.frame(t = t, y = asymp(t, 2, 6, -1.5) + 0.15 * noise)
odd <- data.frame(mean.time = t, `length (mm)` = decay$y, log = decay$y, `a~b` = t, check.names = FALSE)
noisy <- data.frame(t = t, y = asymp(t, 2, 6, -1.5) + 0.8 * noise)
rising <- data.frame(t = t, y = 5 * (1 - exp(-0.3 * t)) + 0.2 * noise)
powered <- data.frame(t = t, y = power(t, 1, 4, 0.8) + 0.05 * noise)
to_zero <- data.frame(t = t, y = power(t, 0, 4, 0.8) + 0.05 * noise)
slow <- data.frame(t = t, y = asymp(t, 0, 6, -3.5) + 0.05 * noise)
straight <- data.frame(t = t, y = 6 - 0.05 * t + 0.02 * noise)
few <- data.frame(t = 0:3, y = c(5, 3.1, 2.3, 2.1))
spread <- data.frame(t = c(0.5, 1, 2, 4, 8, 16, 40), y = c(9.1, 7.7, 5.6, 3.3, 2.1, 1.6, 1.7))
small <- transform(decay, y = y * 1e-6)
big <- transform(decay, y = y * 1e5 + 1e6)
w <- rep(c(1, 4, 0.25, 2, 1), 5)
w0 <- replace(w, c(2, 9), 0)
repeated <- data.frame(t = rep(0:8, 3), y = asymp(rep(0:8, 3), 1, 4, -0.7) + 0.3 * rnorm(27))
cosine <- data.frame(t = t, y = 1 + 2 * cos(0.7 * t + 0.3) + 0.2 * noise)

from_power <- c(c = 1, a = 4, b = 0.8)
from_rate <- c(c = 2, a = 4, rate = 0.22)
cases <- list(
  fit_case("SSasymp", y ~ SSasymp(t, Asym, R0, lrc), decay),
  fit_case("SSasymp, noisy", y ~ SSasymp(t, Asym, R0, lrc), noisy),
  fit_case("SSasymp, weights", y ~ SSasymp(t, Asym, R0, lrc), decay, weights = w),
  fit_case("SSasymp, weights of 0", y ~ SSasymp(t, Asym, R0, lrc), decay, weights = w0),
  fit_case("SSasymp, n = p + 1", y ~ SSasymp(t, Asym, R0, lrc), few),
  fit_case("SSasymp, uneven times", y ~ SSasymp(t, Asym, R0, lrc), spread),
  fit_case("SSasymp, replicates", y ~ SSasymp(t, Asym, R0, lrc), repeated),
  fit_case("SSasymp, small units", y ~ SSasymp(t, Asym, R0, lrc), small),
  fit_case("SSasymp, large offset", y ~ SSasymp(t, Asym, R0, lrc), big),
  fit_case("SSasymp, slow decay", y ~ SSasymp(t, Asym, R0, lrc), slow),
  fit_case("SSasymp, a straight line", y ~ SSasymp(t, Asym, R0, lrc), straight),
  fit_case("SSasympOrig", y ~ SSasympOrig(t, Asym, lrc), rising[-1, ]),
  fit_case("SSasympOrig from t = 0", y ~ SSasympOrig(t, Asym, lrc), rising),
  fit_case("SSexpfloor", y ~ c + a * exp(-rate * t), decay, from_rate,
           ours = "y ~ SSexpfloor(t, c, a, rate)"),
  fit_case("SSexpfloor, weights", y ~ c + a * exp(-rate * t), noisy, from_rate, w,
           ours = "y ~ SSexpfloor(t, c, a, rate)"),
  fit_case("SSpower", y ~ c + a * (t + 1)^-b, powered, from_power,
           ours = "y ~ SSpower(t, c, a, b)"),
  fit_case("SSpower, limit 0", y ~ c + a * (t + 1)^-b, to_zero, from_power,
           ours = "y ~ SSpower(t, c, a, b)"),
  fit_case("SSpower, limit fixed at 0", y ~ a * (t + 1)^-b, to_zero, from_power[-1],
           ours = "y ~ SSpower(t, 0, a, b)"),
  fit_case("SSpower, slow decay", y ~ c + a * (t + 1)^-b, slow, from_power,
           ours = "y ~ SSpower(t, c, a, b)"),
  fit_case("cosine", y ~ m + r * cos(w1 * t + p), cosine, c(m = 1, r = 2, w1 = 0.7, p = 0.3)),
  fit_case("log response", log(y) ~ log(m + r * exp(-k * t)), decay, c(m = 2, r = 4, k = 0.2)),
  fit_case("square root and atan", y ~ m - r * atan(sqrt(t) / k), decay, c(m = 6, r = 2, k = 1)),
  fit_case("one parameter", y ~ 2 + 4 * exp(-k * t), decay, c(k = 0.3)),
  fit_case("a line", y ~ m + s * t, straight, c(m = 1, s = 0)),
  fit_case("two exponentials that are one", y ~ m + r * exp(-k * t) + r2 * exp(-k2 * t), decay,
           c(m = 2, r = 2, k = 0.2, r2 = 2, k2 = 0.2)),
  fit_case("a parameter that does nothing", y ~ m + r * exp(-k * t) + 0 * z, decay,
           c(m = 2, r = 4, k = 0.2, z = 1)),
  fit_case("names with dots and in backticks", `length (mm)` ~ m.0 + `r, start` * exp(-.k * mean.time), odd,
           c(m.0 = 2, `r, start` = 4, .k = 0.2)),
  fit_case("names of functions and of other letters", log(`log`) ~ log(`pi` + größe * exp(-class * `a~b`)), odd,
           c(pi = 2, größe = 4, class = 0.2)),
  fit_case("functions with a base", log2(y) ~ m - r * log10(t + 1) + log(m, 3), decay, c(m = 2, r = 1)),
  fit_case("hyperbolic functions", log1p(y) ~ m + r * (1 - tanh(k * t)), decay, c(m = 1, r = 1, k = 0.1)),
  fit_case("cosh and expm1", y ~ m + r / cosh(k * t) + expm1(-abs(m) * t), decay, c(m = 2, r = 4, k = 0.2)),
  fit_case("sinh and tan", y ~ m + r * exp(-sinh(k) * t) + tan(k / 9), decay, c(m = 2, r = 4, k = 0.2))
)

# Nested fits.
a0 <- nls(y ~ a * (t + 1)^-b, to_zero, start = from_power[-1], control = control)
a1 <- nls(y ~ c + a * (t + 1)^-b, to_zero, start = from_power, control = control)
a2 <- nls(y ~ c + a * (t + 1)^-b + d * t, to_zero, start = c(from_power, d = 0), control = control)
b1 <- nls(y ~ c + a * (t + 1)^-b, powered, start = from_power, control = control)
b0 <- nls(y ~ a * (t + 1)^-b, powered, start = c(a = 4, b = 0.6), control = control)
table_of <- function(name, data, formulas, starts, comparison)
  list(name = name, data = data, formulas = formulas, starts = lapply(starts, as.list),
       table = unname(as.matrix(comparison)), print = capture.output(print(comparison)))
comparisons <- list(
  table_of("limit 0", to_zero, c("y ~ a * (t + 1)^-b", "y ~ c + a * (t + 1)^-b",
                                 "y ~ c + a * (t + 1)^-b + d * t"),
           list(from_power[-1], from_power, c(from_power, d = 0)), anova(a0, a1, a2)),
  table_of("larger first", to_zero, c("y ~ c + a * (t + 1)^-b", "y ~ a * (t + 1)^-b"),
           list(from_power, from_power[-1]), anova(a1, a0)),
  table_of("limit above 0", powered, c("y ~ a * (t + 1)^-b", "y ~ c + a * (t + 1)^-b"),
           list(c(a = 4, b = 0.6), from_power), anova(b0, b1)))

# Intervals for the mean by the delta method, from R's gradient and covariance.
fit <- nls(y ~ SSasymp(t, Asym, R0, lrc), decay, control = control)
at <- c(0, 3.5, 30)
b <- coef(fit)
Asym <- b[["Asym"]]; R0 <- b[["R0"]]; lrc <- b[["lrc"]]
value <- SSasymp(at, Asym, R0, lrc)
g <- attr(value, "gradient")
prediction <- list(data = decay, t = at, fit = as.numeric(value),
                   se = sqrt(diag(g %*% vcov(fit) %*% t(g))), sigma = sigma(fit),
                   quantile = qt(0.975, df.residual(fit)))

# A line as lm sees it: R's predict.lm has intervals of its own.
line <- lm(y ~ t, straight, weights = w)
new <- data.frame(t = c(-3, 10, 50))
weighted_line <- list(
  data = straight, weights = w, t = new$t,
  confidence = unname(predict(line, new, interval = "confidence")),
  prediction = unname(suppressWarnings(predict(line, new, interval = "prediction"))))

# Numbers and p-values as R lays them out.
numbers <- list(c(1.23456789, 123.456), c(1e-10, 5), c(0.1, 0.25, 1e5), c(-1, 22.5, 1e-3), 1e100,
                c(1e-300, 1), 123456789, c(0, 0), 0.00001234, c(3.14159, 2e5), 99999.5, 1e5, 1e15)
ps <- list(c(1e-20, 0.5), 0.049999, c(0.00012345, 0.5, 1e-20), 1e-20, c(1e-4, 1e-5, 0.2, 0.03),
           c(1, 0.9999), 2.2e-16, c(1e-17, 1e-5), c(0.00054321, 0.0123))
layout <- list(
  numbers = lapply(numbers, function(x) list(x = I(x), d4 = I(format(x, digits = 4)),
                                             d7 = I(format(x)))),
  p = lapply(ps, function(x) list(x = I(x), d3 = I(format.pval(x, 3)), d4 = I(format.pval(x, 4)))))

# Columns and parameters that bear the name of a constant or a function.
named <- function(ours, formula, data, start = NULL, new = NULL) {
  environment(formula) <- globalenv()
  call <- call("nls", formula, quote(data), control = quote(control))
  if (!is.null(start)) call$start <- start
  fit <- eval(call)
  list(formula = ours, data = data, start = as.list(start), coef = as.list(coef(fit)),
       deviance = deviance(fit), new = new, predicted = if (is.null(new)) NULL else predict(fit, new))
}
five <- c(1.1, 2.0, 2.9, 4.2, 5.0)
eight <- c(5.02, 3.81, 3.12, 2.66, 2.41, 2.23, 2.17, 2.08)
names_of_constants <- list(
  named("y ~ a*pi", y ~ a * pi, data.frame(y = five, pi = (1:5) / 1000), c(a = 1),
        new = data.frame(pi = c(0.01, 0.02))),
  named("pi ~ a*x", pi ~ a * x, data.frame(pi = five, x = 1:5), c(a = 1)),
  named("y ~ pi*x", y ~ pi * x, data.frame(y = five, x = 1:5), c(pi = 1), new = data.frame(x = 9)),
  named("y ~ a*exp + b*exp(-exp)", y ~ a * exp + b * exp(-exp), data.frame(y = five, exp = 1:5),
        c(a = 1, b = 0), new = data.frame(exp = 9)),
  named("y ~ log*log(T) + sqrt", y ~ log * log(T) + sqrt, data.frame(y = five, T = 1:5),
        c(log = 1, sqrt = 0)),
  named("y ~ e + t*x", y ~ e + t * x, data.frame(y = five, x = 1:5), c(e = 0, t = 1)),
  named("y ~ SSasymp(pi, Asym, R0, lrc)", y ~ SSasymp(pi, Asym, R0, lrc),
        data.frame(y = eight, pi = 0:7), new = data.frame(pi = 9)),
  named("y ~ SSasymp(t, pi, exp, lrc)", y ~ SSasymp(t, pi, exp, lrc),
        data.frame(y = eight, t = 0:7))
)

write_json(list(R = R.version.string, fits = cases, names = names_of_constants, anova = comparisons, predict = prediction,
                weighted_line = weighted_line, layout = layout), out,
           digits = I(17), auto_unbox = TRUE, matrix = "rowmajor", dataframe = "columns",
           na = "null", null = "null")
