# Formulas as they are typed in R: odd names, functions, ordered factors, by vegan and R itself.
# Usage: Rscript formulas.R [output.json]   (default: beside this script)
suppressPackageStartupMessages({library(vegan); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "formulas.json")
set.seed(20240611)

data(dune); data(dune.env); data(varespec); data(varechem)
meadow <- dune.env                                    # Moisture, Use, Manure are ordered
names(meadow)[names(meadow) == "A1"] <- "A1.thick"
meadow$`A1 (cm)` <- meadow$A1.thick
soil <- varechem
soil$Humdepth.m <- soil$Humdepth / 100
soil$`pH value` <- soil$pH
n <- 24
odd <- data.frame(mean.length = round(rexp(n) + 0.5, 3), `dose (mg)` = sample(1:6, n, TRUE),
                  `a b` = rep(c("u", "v", "w"), length.out = n), .hidden = round(rnorm(n), 3),
                  class = sample(rep(c("x", "y"), 12)), lambda = round(runif(n, 1, 9), 2), check.names = FALSE)
odd$`if` <- round(rnorm(n), 2)
odd$I <- round(rexp(n), 2); odd$C <- sample(rep(1:3, 8)); odd$log <- 1 + sample(n)
odd$T <- round(rnorm(n), 2); odd$F <- rep(c("p", "q"), each = 12); odd$pi <- round(rnorm(n), 2)
odd$c <- round(rexp(n) + 1, 2); odd$factor <- sample(rep(4:7, 6)); odd$d.x <- round(rnorm(n), 2)
odd$`größe` <- round(rexp(n) + 1, 2); odd$`a~b` <- round(rnorm(n), 2); odd$`1st` <- sample(rep(c("m", "n"), 12))
odd$`TRUE` <- round(rnorm(n), 2); odd$import <- round(rnorm(n), 2); odd$None <- sample(rep(c("k", "l"), 12))
odd$`__class__` <- round(rnorm(n), 2); odd$`it's "x"` <- round(rnorm(n), 2); odd$`a\\b` <- round(rnorm(n), 2)
odd$yes <- odd$T > 0
odd$count <- as.character(odd$C * 10)
odd$o <- factor(sample(rep(c("low", "mid", "high", "top"), 6)), levels = c("low", "none", "mid", "high", "top"), ordered = TRUE)
odd$w <- sample(rep(c("B", "a", "_c", "é", "f"), length.out = n)); odd$v <- sample(rep(c("Z", "z", "10", "9"), 6))
odd$u <- factor(sample(rep(c("s", "r", "q"), 8)), levels = c("s", "q", "empty", "r"))
sets <- list(dune = list(d = vegdist(dune), data = meadow), vare = list(d = vegdist(varespec), data = soil),
             odd = list(d = dist(cbind(rnorm(n) + 2 * (odd$`a b` == "u"), rnorm(n) + odd$T, rnorm(n))), data = odd))

one <- function(set, right, by) {
  d <- sets[[set]]$d
  fit <- tryCatch(adonis2(as.formula(paste("d ~", right)), data = sets[[set]]$data, permutations = 3, by = by),
                  error = function(e) { message("none: ", right, " by ", by, ": ", conditionMessage(e)); NULL })
  # Of a model without residual degrees of freedom vegan gives no terms.
  if (is.null(fit) || is.na(fit$F[1])) return(NULL)
  list(set = set, right = right, by = by, terms = I(rownames(fit)), df = fit$Df, sum_of_squares = fit$SumOfSqs, f = fit$F)
}
rights <- list(
  dune = c("A1.thick", "`A1 (cm)` + Management", "log(A1.thick):Management", "sqrt(`A1 (cm)`) * Management",
    "Moisture", "Moisture + Management", "Moisture:Management", "Moisture:A1.thick", "Management:Moisture + Use:A1.thick",
    "Use:Management", "Use:Manure + A1.thick", "Use + Use:A1.thick", "Use:A1.thick + Use:Management",
    "Use:A1.thick + Moisture:A1.thick", "Moisture:A1.thick + Use:A1.thick", "as.numeric(Moisture) + Use",
    "as.numeric(Moisture):Use", "as.numeric(as.character(Manure)):Use + Use:A1.thick",
    "factor(Moisture, ordered = FALSE):A1.thick + Moisture:Use", "ordered(Management):A1.thick + Management:Use",
    "ordered(Management, levels = c(\"SF\", 'NM', \"HF\", \"BF\")):A1.thick + Management:Use",
    "relevel(Management, ref = \"NM\"):A1.thick + Management:Use", "relevel(Management, 3):A1.thick + Use:Management",
    "cut(A1.thick, 3) + Use", "cut(A1.thick, c(2, 4, 6, 12)):Use", "cut(A1.thick, 3, ordered_result = TRUE):Use + Use:`A1 (cm)`",
    "interaction(Management, Use)", "interaction(Use, Moisture, drop = T) + A1.thick", "droplevels(Moisture):A1.thick + Use:Moisture",
    "poly(A1.thick, 2) + Use", "poly(A1.thick, 3, raw = TRUE)", "poly(A1.thick, 2):Use + Use:Management",
    "I(A1.thick > 4) + Management", "A1.thick > 4", "Management %in% Use", "I(Management == \"SF\"):A1.thick + Use",
    "ifelse(Management %in% c(\"SF\", \"NM\"), \"a\", \"b\") * A1.thick", "I(as.integer(Moisture) >= 2 & A1.thick < 6)"),
  vare = c("Humdepth.m + `pH value`", "log(N) * log10(P)", "log(K, 2) + log(Ca, base = 3)", "poly(Al, 2) + Humdepth.m",
    "I(N/P) + I(sqrt(K)/2 - 1)", "scale(N):scale(P)", "cut(pH, 3):Al", "I(N^2) + N", "N**2 + (N + P)**2",
    "I(-N^2/2 + (P * 3) %% 2)", "I(Al %/% 10) + pH", "pmin(N, P) + pmax(K, Ca, 500)", "exp(Mo) + abs(Baresoil - 20)",
    "cut(Al, quantile(Al), include.lowest = TRUE):pH + pH:Mo", "I(N > mean(N)):pH + I((Al - mean(Al))/sd(Al))",
    "cut(Baresoil, seq(0, 60, by = 20), include.lowest = TRUE, right = FALSE)", "cut(N, 4, labels = c('a', 'b', 'c', 'd')) * pH",
    "cut(N, 4, labels = FALSE)", "(N + P + K)^2 - N:P", "N/P/K", "I(N>25&P<40|!K>150)", "log1p(Mo) + expm1(Mo)"),
  odd = c("mean.length", "`mean.length` + .hidden", "`dose (mg)` * `a b`", "log(mean.length) + sqrt(`dose (mg)`)", "factor(`a b`):.hidden + F:.hidden",
    "I(`a b`) + `dose (mg)`", "I(`dose (mg)`^2)", "class * lambda", "`class` + `if` + `lambda`", "I + I(I^2) + I(I * C)", "C + factor(C)", "log + log(log)",
    "log(log, base = 2):F", "T + F + pi", "I(T^2) + T:F", "I(pi * 2) + c", "c + cut(c, c(0, 1.5, 2, 9))", "factor + factor(factor)", "factor(factor):c + F:c",
    "d.x + größe", "log(größe):class", "`a~b` * class", "`1st`:`a b` + `1st`:F", "`TRUE` + I(`TRUE` > 0)", "import + None", "`__class__` + `if`:None",
    "`it's \"x\"` + `a\\\\b`", "None:`it's \"x\"`", ".hidden:o + o:F", "o:.hidden + F:.hidden", "o:F + class:F", "F:o + o:c + c", "o * F", "o + u:o", "u:c + u:F", "u:F + o:c",
    "as.ordered(u):c + u:F", "factor(o):c + o:F", "as.factor(C):c + F:c", "ordered(C):c + F:C", "ordered(C):F + F:class", "as.numeric(o) + as.integer(lambda)", "as.numeric(count) + c",
    "as.numeric(u):F", "as.character(u):c + u:F", "relevel(factor(`a b`), \"w\"):c + `a b`:F", "relevel(u, ref = \"empty\"):c + u:F", "interaction(F, class):c + F:class", "interaction(`a b`, F, sep = \"-\", lex.order = TRUE):c + c:class",
    "factor(C, levels = c(3, 1, 2), labels = c(\"three\", \"one\", \"two\")):c + F:C:c", "factor(C, labels = \"L\", ordered = TRUE):c + F:c", "factor(C, 1:3, c('a', 'a', 'b'))", "yes + yes:c + I(!yes):T", "I(yes * 2) + I(yes & T > 1)", "yes:F + yes:c",
    "ifelse(yes, c, 0) + ifelse(C == 2, 'x', 'y'):c", "paste(F, class):c + F:c", "scale(c, center = FALSE) + scale(T, scale = FALSE):F", "poly(c, 2):o + o:F", "poly(degree = 2, x = c) + F", "C(u):c + u:F",
    "C(o):c + o:F", "(T + F + pi)^2", "w:c + w:F", "v:c + F:v", "factor(v):w + v:F", "interaction(v, F):c + F:v", "T:pi:F", "F/(c + T)", "`a b`/class/c", "(c + T) %in% F", "I((c)) + (c)", "-T + c", "T - 1 + c + 1", "F + 0", "c + F - F", "F:class - 1", "I(c > 2)", "c > 2", "T + c > 2",
    "cut(c, 3):`a b` + `a b`:T", "cut(c, 3, ordered_result = TRUE):`a b` + `a b`:T", "I(1e5 * c + 1e4)", "I(.5 * c - 1e-4)", "I(c %in% c(1, 2)) + T", "sign(T) + floor(lambda) + ceiling(c) + trunc(`if`)", "atan(T) + tanh(`if`) + sin(pi)"))
terms_of <- function(set) unlist(recursive = FALSE, lapply(rights[[set]], function(r) list(one(set, r, "terms"), one(set, r, "margin"))))
cases <- Filter(Negate(is.null), unlist(recursive = FALSE, lapply(names(sets), terms_of)))

# Functions of random columns, and what R makes of them.
shown <- function(v) {
  if (is.factor(v)) list(codes = as.integer(v) - 1L, levels = I(levels(v)), ordered = is.ordered(v))
  else if (is.character(v)) list(text = v)
  else if (is.logical(v)) list(truth = v)
  else if (is.matrix(v)) list(numbers = unname(unclass(v))[, , drop = FALSE])
  else list(numbers = as.numeric(v))
}
functions <- c("cut(x, 3)", "cut(x, 5)", "cut(x, 2, right = FALSE)", "cut(x, 4, include.lowest = TRUE)", "cut(x, 4, right = FALSE, include.lowest = TRUE)",
  "cut(x, 4, dig.lab = 2)", "cut(x, 4, dig.lab = 5)", "cut(x, 3, labels = c('a', 'b', 'c'), ordered_result = TRUE)", "cut(x, 3, labels = c('a', 'b', 'a'))", "cut(x, 6, labels = FALSE)",
  "cut(k, 3)", "cut(k, c(0, 3, 6, 10))", "cut(k, c(10, 1, 4), include.lowest = TRUE)", "cut(k, c(1, 4, 10), right = FALSE)", "cut(k, c(1, 4, 10), FALSE, TRUE, FALSE)", "cut(k, 1:10)", "cut(x, c(-Inf, 0, Inf))",
  "cut(x, quantile(x), include.lowest = TRUE)", "cut(x, c(min(x), median(x), max(x)), include.lowest = T)", "cut(big, 4)", "cut(big, c(0, 1e5, 123456, 1e6))", "cut(small, 3)", "cut(same, 3)", "cut(x, seq(-5, 5, length.out = 4))", "cut(x, seq(-5, 5, 2.5))",
  "interaction(g, h)", "interaction(g, h, drop = TRUE)", "interaction(g, h, sep = '_')", "interaction(g, h, lex.order = TRUE)", "interaction(g, h, f)", "interaction(f, g, h, lex.order = TRUE, drop = TRUE)", "interaction(f, k)", "interaction(g)", "interaction(o, f, drop = T)",
  "poly(x, 2)", "poly(x, 4)", "poly(k, 2)", "poly(x)", "poly(x, 3, raw = TRUE)", "poly(x, degree = 2, simple = TRUE)", "poly(big, 2)", "scale(x)", "scale(x, scale = FALSE)", "scale(x, center = FALSE)", "scale(x, FALSE, FALSE)", "scale(k, 3, 2)",
  "factor(g)", "factor(k)", "factor(x)", "factor(f)", "factor(f, levels = c('z', 'y', 'x', 'w'))", "factor(k, levels = c(1:10))", "factor(yes)", "factor(yes, labels = c('no', 'yes'))", "factor(k, labels = 'v')", "factor(o)", "factor(o, ordered = FALSE)", "factor(f, ordered = TRUE)", "factor(f, labels = c('1', '1', '2'))",
  "ordered(g)", "ordered(k)", "ordered(g, levels = c('c', 'b', 'a'))", "ordered(o)", "as.ordered(f)", "as.ordered(g)", "as.ordered(o)", "as.factor(f)", "as.factor(big)", "droplevels(f)", "droplevels(o)", "relevel(f, ref = 'y')", "relevel(f, 'never')", "relevel(f, 2)", "relevel(factor(g), ref = \"b\")",
  "as.numeric(f)", "as.numeric(o)", "as.numeric(text)", "as.numeric(yes)", "as.integer(x)", "as.integer(f)", "as.integer(text)", "as.character(f)", "as.character(k)", "as.character(big)", "as.character(small)", "as.character(x / 3)", "as.character(yes)",
  "log(p)", "log(p, 2)", "log(p, base = 10)", "log(base = 3, x = p)", "log2(p)", "log10(p)", "log1p(p)", "exp(x)", "expm1(x)", "abs(x)", "sqrt(p)", "sqrt(p)/2", "sign(x)", "floor(x)", "ceiling(x)", "trunc(x)", "tan(x)", "sinh(x)", "cosh(x)", "asin(x/10)", "acos(x/10)", "atan(x)", "tanh(x)",
  "x > 0.5", "I(x > 0.5)", "x >= k", "k == 3", "k != 3", "g == 'a'", "f != \"x\"", "g %in% c('a', 'b')", "k %in% c(1, 2, 3)", "!x > 0 & k <= 5", "x < 0 | yes", "yes == TRUE",
  "ifelse(x > 0, x, -x)", "ifelse(yes, 'a', 'b')", "ifelse(yes, f, 0)", "ifelse(x > 0, g, 'none')", "ifelse(yes, TRUE, FALSE)", "pmin(x, k)", "pmax(x, 0)", "pmin(x, p, 0.5)", "paste(g, k)", "paste(g, f, sep = '')",
  "x + k * 2 - 1", "-x^2", "2^-1 + x", "x %% 2", "x %/% 2", "-5 %/% 2 + k", "-k %% 3", "2^k^0.5", "k / 2 / 3", "x - mean(x)", "(x - mean(x))/sd(x)", "x / max(x) - min(k)", "x - median(x)", "x * T + F", "pi * x", "1:12 * x", "12:1 + x", "seq(1, 12) - x", "yes + yes", "-yes")
values <- lapply(1:6, function(i) {
  m <- 12
  data <- list(x = round(rnorm(m), 3), k = as.numeric(sample(1:10, m, TRUE)), p = rexp(m), big = round(runif(m, 1e4, 1e6)), small = signif(runif(m, 1e-6, 1e-4), 3), same = rep(sample(c(0, 2.5, -3), 1), m),
    g = sample(rep(c("a", "b", "c"), 4)), h = sample(rep(c("B", "a"), 6)), text = sprintf("%s", signif(rnorm(m), 4)), yes = sample(rep(c(TRUE, FALSE), 6)),
    f = factor(sample(rep(c("x", "y", "z"), 4)), levels = c("z", "never", "y", "x")), o = factor(sample(rep(c("lo", "hi", "top"), 4)), levels = c("lo", "gap", "hi", "top"), ordered = TRUE))
  data$text[1:3] <- c(" 1e3", "-.5", "7.")
  of <- lapply(functions, function(f) { v <- tryCatch(eval(parse(text = f)[[1]], data), error = function(e) stop(f, ": ", conditionMessage(e))); shown(v) })
  list(data = lapply(data, shown), values = of)
})

# How R writes a variable.
label <- function(f) attr(terms(as.formula(paste("~", f))), "term.labels")
texts <- c("cut( x,c(0,.001,1e5,100000L),labels=c('a',\"b\\\"c\",'é'),right=T )", "I( -x^2/2+(y*3)%%2 )", "I(x%/%2)", "I(!x>3&y<=2|z!=1)", "I(x==-1)", "ifelse(x>3,1,0)", "log(`a b`)", "log(`mean.length`)", "I(x**2)", "f1(`if`)",
  "z>3+a", "x%%2", "I((a+b)*(c-d)/e)", "I(123456.789)", "I(1e15+1e-5+0.1+100000+123456+1e4)", "log(x,base=2)", "I(2^-1^x)", "I(a%in%c('x','y'))", "factor(x,levels=c('a\\\\b','c\\nd'))", "I(1e-300*x)", "I(3.14159265358979*x)", "I(1L:3L)", "C(x)", "I(TRUE)", "I(T)", "I(Inf-x)", "cut(x,3,labels=NULL)")
plain <- function(s) list(d = unname(as.matrix(s$d)), data = lapply(as.list(s$data), shown))
write_json(list(R = R.version.string, vegan = as.character(packageVersion("vegan")), sets = lapply(sets, plain), cases = cases,
                functions = functions, values = values, texts = texts, labels = sapply(texts, label, USE.NAMES = FALSE)),
           out, digits = I(17), auto_unbox = TRUE, matrix = "rowmajor", na = "null", null = "null")
