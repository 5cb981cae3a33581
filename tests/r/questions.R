# One answer of each model to each question: models permuted within questions, by vegan.
# Run: Rscript tests/r/questions.R (writes questions.json beside it).

suppressMessages({library(vegan); library(jsonlite)})

folder <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
set.seed(20240701)

case <- function(missing) {
  table <- expand.grid(model = c("a", "b", "c", "d"), query = sprintf("q%02d", 1:9),
                       stringsAsFactors = TRUE)
  n <- nrow(table)
  x <- matrix(rnorm(3 * n), n) + 2 * matrix(rnorm(27), 9)[table$query, ]
  x[, 1] <- x[, 1] + 0.6 * (table$model == "c")
  x <- round(x, 6)
  kept <- setdiff(seq_len(n), missing)
  table <- droplevels(table[kept, ])
  d <- dist(x[kept, ])
  p <- shuffleSet(nrow(table), 999, control = how(blocks = table$query))
  fit <- function(formula) adonis2(formula, table, permutations = p, by = "terms")
  both <- fit(d ~ query + model)
  alone <- fit(d ~ model)
  list(x = x, missing = missing - 1, f = both["model", "F"], df = both["model", "Df"],
       residual_df = both["Residual", "Df"],
       p_value = both["model", "Pr(>F)"], p_value_alone = alone["model", "Pr(>F)"])
}

cases <- list(all = case(integer(0)), some = case(c(3, 8, 17, 18, 30)))
out <- list(made_by = paste("vegan", packageVersion("vegan"), "in", R.version.string),
            cases = cases)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE), file.path(folder, "questions.json"))
