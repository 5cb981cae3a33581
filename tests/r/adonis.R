# Terms of formulas, aliased and nested ones too, by vegan, as a reference for adonis2.
# Usage: Rscript adonis.R [output.json]   (default: beside this script)
suppressPackageStartupMessages({library(vegan); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
out <- if (length(args)) args[1] else file.path(dirname(script), "adonis.json")
set.seed(20240517)

data(dune); data(dune.env)
meadow <- data.frame(Management = dune.env$Management, Use = factor(dune.env$Use, ordered = FALSE),
                     Manure = factor(dune.env$Manure, ordered = FALSE), A1 = dune.env$A1)
meadow$combo <- interaction(meadow$Management, meadow$Use)    # 11 of 12 levels occur
meadow$wet <- dune.env$Moisture                               # ordered
meadow$A1b <- 3 * meadow$A1 - 2
made <- data.frame(g = rep(c("a", "b", "c"), c(5, 9, 10)), h = rep(c("p", "q"), 12),
                   k = rep(c("u", "u", "v", "v"), 6), z = round(rnorm(24), 3), w = rep(1:4, 6))
made$sub <- paste0(made$g, rep(1:2, 12))     # nested in g
made$same <- made$g
made$twice <- 2 * made$z + 1
made$near <- made$z + 1e-5 * rnorm(24)       # told apart by R's qr
made$nearer <- made$z + 1e-9 * rnorm(24)     # not told apart
made$one <- 7
made$half <- factor(ifelse(made$g == "a", "a", "rest"), levels = c("a", "none", "rest"))
made$yes <- made$z > 0
made$hole <- made$h
made$hole[made$g == "a"] <- "p"              # an empty cell of g and hole
x <- matrix(rnorm(24 * 3), 24)
x[, 1] <- x[, 1] + 2 * (made$g == "b") + made$z
sets <- list(dune = list(d = vegdist(dune), data = meadow), made = list(d = dist(x), data = made))
orders <- lapply(sets, function(s) t(replicate(49, sample(nrow(s$data)))))

one <- function(set, right, by = "terms") {
  d <- sets[[set]]$d
  f <- as.formula(paste("d ~", right))
  # vegan has no marginal test where nothing is left beside a term.
  fit <- tryCatch(adonis2(f, data = sets[[set]]$data, permutations = orders[[set]], by = by),
                  error = function(e) NULL)
  if (is.null(fit)) { message("none: ", right, " by ", by); return(NULL) }
  list(set = set, right = right, by = by, terms = I(rownames(fit)), df = fit$Df,
       sum_of_squares = fit$SumOfSqs, f = fit$F, p_value = fit$`Pr(>F)`)
}
both <- function(set, right) list(one(set, right), one(set, right, "margin"))
cases <- c(
  both("dune", "combo + Management"), both("dune", "Management + combo"),
  both("dune", "combo + Use + A1"), both("dune", "A1 + A1b"), both("dune", "A1b + Management + A1"),
  both("dune", "Management * Use"), both("dune", "Management + Use %in% Management"),
  both("dune", "combo"), both("dune", "wet"), both("dune", "wet:Use + Use:A1"),
  both("dune", "A1:wet + wet:Use"), both("dune", "Management + wet:A1"), list(one("dune", "combo + Management", NULL)),
  unlist(recursive = FALSE, lapply(
    c("sub + g", "g + sub", "g + same", "z + twice", "twice + g + z", "z + near", "z + nearer",
      "one + g", "g + one + z", "half", "half + g", "g + half + z", "g:h", "g + g:h", "g:h + h:k",
      "h:k + g:h", "z:g", "z:g + z", "g + z:g", "z %in% g", "h + z %in% g", "(h + k) %in% g",
      "g/h", "(g + h)/k", "g/(h + k)", "g * h * k - g:h:k", "(g + h + k)^2", "(g + h)^2 + z", "z^2",
      "z * twice", "g * same", "g * half", "g * hole", "g + hole + g:hole", "yes", "yes:z", "yes + z:yes",
      "I(z^2) + z", "I(z > 0):w", "factor(w)", "factor(w) + w", "w + factor(w)", "w * factor(w)",
      "poly(z, 2) + z", "(g + h):(g + k)", "g * h - g", "g - 1", "g * z + h", "g * h + g * k",
      "sub * h", "log(w) + w", "h * k %in% g", "h + g %in% h:k",
      "g:h + g:k:yes", "z:g + g:h", "g:h + z:g", "poly(z, 2):g + g:h", "g:h + h:poly(z, 2)",
      "h:k:yes + g:h + g:k", "w:z:g + g:h"),
    function(r) both("made", r))),
  list(one("made", "g + same + z", NULL), one("made", "g * hole + z", NULL)))

# What "." stands for takes a formula with nothing else in the data.
few <- made[c("g", "h", "z")]
d <- sets$made$d
dot <- adonis2(d ~ ., data = few, permutations = orders$made)
cases <- c(Filter(Negate(is.null), cases), list(list(set = "made", right = ".", by = "terms", columns = names(few),
  terms = I(rownames(dot)), df = dot$Df, sum_of_squares = dot$SumOfSqs, f = dot$F, p_value = dot$`Pr(>F)`)))

plain <- function(s) list(d = unname(as.matrix(s$d)), data = lapply(as.list(s$data), function(v)
  if (is.factor(v)) as.character(v) else v))
write_json(list(R = R.version.string, vegan = as.character(packageVersion("vegan")),
                sets = lapply(sets, plain), levels = list(half = levels(made$half), wet = levels(meadow$wet)),
                permutations = lapply(orders, function(P) P - 1L), cases = cases),
           out, digits = I(17), auto_unbox = TRUE, matrix = "rowmajor", na = "null", null = "null")
