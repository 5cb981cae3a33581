"""R's expressions as trees, and trees as R writes them; nothing is ever evaluated as Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lwdstats.errors import InputError

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?L?)
    |(?P<name>(?:[^\W\d]|\.(?![0-9]))[\w.]*)
    |`(?P<quoted>(?:[^`\\]|\\.)+)`
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<symbol>\*\*|%[^%\s]*%|[<>=!]=|&&|\|\||[-+*/^:(),<>=!&|~])
    )""",
    re.VERBOSE | re.DOTALL,
)
# How strongly R's operators bind; those between %% are as one.
_BINARY = {"~": 1, "|": 2, "&": 3, "+": 6, "-": 6, "*": 7, "/": 7, "%": 8, ":": 9, "^": 11}
_BINARY |= dict.fromkeys(("<", ">", "<=", ">=", "==", "!="), 5)
_PREFIX = {"!": 4, "+": 10, "-": 10}
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None, "Inf": float("inf")}
_RESERVED = re.compile(
    "if|else|repeat|while|function|for|next|break|in|TRUE|FALSE|NULL|Inf|NaN|NA"
    "|NA_(?:integer|real|character|complex)_"
)
_SYNTACTIC = re.compile(r"(?:[^\W\d_]|\.(?![0-9]))[\w.]*")
_ESCAPES = {"n": "\n", "t": "\t"}
_MAX_DEPTH = 100


@dataclass(frozen=True)
class Name:
    """A name, as of a column."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A number, text, truth value or NULL, and how R writes it."""

    value: float | str | bool | None
    text: str


@dataclass(frozen=True)
class Call:
    """A function or operator, or "(", of arguments that may have names."""

    function: str
    arguments: tuple[Tree, ...]
    names: tuple[str | None, ...]


Tree = Name | Constant | Call


def parse(text: str) -> Tree:
    """Return the tree of an expression of R.

    Examples
    --------
    >>> written(parse("I(`a b`**2/3)+log( x,base=.5 )"))
    'I(`a b`^2/3) + log(x, base = 0.5)'
    """
    parser = _Parser(text)
    tree = parser.expression(0, 0)
    if parser.kind != "end":
        raise parser.error("one operator between two terms")
    return tree


def written(tree: Tree) -> str:
    """Return a tree as R's ``deparse`` writes it, names in backticks where they need them."""
    if isinstance(tree, Name):
        return quoted_name(tree.name)
    if isinstance(tree, Constant):
        return tree.text
    parts = [written(part) for part in tree.arguments]
    if tree.function == "(":
        return f"({parts[0]})"
    if not _is_operator(tree.function):
        named = zip(tree.names, parts, strict=True)
        inner = ", ".join(f"{quoted_name(n)} = {part}" if n else part for n, part in named)
        return f"{quoted_name(tree.function)}({inner})"
    if len(parts) == 1:
        return tree.function + parts[0]
    tight = tree.function in ("/", "^", ":", "%%", "%/%")
    return (tree.function if tight else f" {tree.function} ").join(parts)


def quoted_name(name: str) -> str:
    """Return a name as it stands in R's code."""
    plain = _SYNTACTIC.fullmatch(name) and not _RESERVED.fullmatch(name)
    return name if plain else "`{}`".format(name.replace("\\", "\\\\").replace("`", "\\`"))


def names_in(tree: Tree) -> Iterator[str]:
    """Yield the names in a tree, those of functions and arguments left out."""
    if isinstance(tree, Name):
        yield tree.name
    elif isinstance(tree, Call):
        for part in tree.arguments:
            yield from names_in(part)


def number_text(value: float) -> str:
    """Return a number as R's ``as.character``: to 15 digits, in the shorter of two ways.

    Examples
    --------
    >>> [number_text(x) for x in (2.0, 0.1 + 0.2, 123456.0, 1e5, 0.0001, float("inf"))]
    ['2', '0.3', '123456', '1e+05', '1e-04', 'Inf']
    """
    if abs(value) == float("inf"):
        return "Inf" if value > 0 else "-Inf"
    mantissa, exponent = f"{value:.14e}".split("e")
    digits = len(mantissa.lstrip("-").replace(".", "").rstrip("0") or "0")
    fixed = f"{value:.{max(0, digits - 1 - int(exponent))}f}"
    scientific = f"{value:.{digits - 1}e}"
    return fixed if len(fixed) <= len(scientific) else scientific


def _is_operator(function: str) -> bool:
    return function in _BINARY or function in _PREFIX or function[0] == "%"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.inside = 0  # how many functions are open
        self.advance()

    def error(self, takes: str) -> InputError:
        left = self.text[self.start :].strip()
        where = f"{left!r} in" if left else "the end of"
        return InputError("formula", f"{where} {self.text!r}", takes)

    def advance(self) -> None:
        self.start = self.position
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            if self.text[self.position :].strip():
                takes = "names (others than x or x.1 in backticks), numbers, text in quotes, "
                raise self.error(f"{takes}functions and R's operators; I(...) around arithmetic")
            self.kind, self.value = "end", ""
            return
        self.kind = str(match.lastgroup)
        self.value = match.group(self.kind).replace("**", "^" if self.kind == "symbol" else "**")
        self.position = match.end()

    def expression(self, least: int, depth: int) -> Tree:
        if depth > _MAX_DEPTH:
            raise self.error(f"at most {_MAX_DEPTH} levels of brackets and operators")
        tree = self.prefixed(depth)
        while self.kind == "symbol":
            symbol = self.value
            strength = _BINARY.get("%" if symbol[0] == "%" else symbol, -1)
            if strength < least:
                break
            self.advance()
            # Each makes the tree deeper, but for a sum of terms, which is read in a loop.
            depth += self.inside > 0 or strength != _BINARY["+"]
            # Of several ^ the last comes first; comparisons cannot follow each other.
            right = self.expression(strength + (symbol != "^"), depth + 1)
            tree = Call(symbol, (tree, right), (None, None))
            if strength == 5 and _BINARY.get(self.value) == 5:
                raise self.error("one comparison, or brackets around the first")
        return tree

    def prefixed(self, depth: int) -> Tree:
        if self.kind == "symbol" and self.value in _PREFIX:
            symbol = self.value
            self.advance()
            return Call(symbol, (self.expression(_PREFIX[symbol], depth + 1),), (None,))
        return self.atom(depth)

    def atom(self, depth: int) -> Tree:
        kind, value = self.kind, self.value
        if kind == "number":
            self.advance()
            number = float(value.rstrip("L"))
            # A whole number, 100000L, is written out, without its L.
            return Constant(number, f"{number:.0f}" if "L" in value else number_text(number))
        if kind == "text":
            self.advance()
            text = _unescaped(value[1:-1])
            shown = text.replace("\\", "\\\\").replace('"', '\\"')
            return Constant(text, '"{}"'.format(shown.replace("\n", "\\n").replace("\t", "\\t")))
        if kind == "quoted":
            self.advance()
            return Name(_unescaped(value))
        if kind == "name":
            if _RESERVED.fullmatch(value) and value not in _CONSTANTS:
                raise self.error(f"a word that R keeps for itself in backticks, `{value}`")
            self.advance()
            if self.value == "(" and self.kind == "symbol" and value not in _CONSTANTS:
                return self.call(value, depth)
            return Constant(_CONSTANTS[value], value) if value in _CONSTANTS else Name(value)
        if kind == "symbol" and value == "(":
            self.advance()
            inner = self.expression(0, depth + 1)
            self.close()
            return Call("(", (inner,), (None,))
        raise self.error("a name, number, function or bracket here")

    def call(self, function: str, depth: int) -> Tree:
        arguments: list[Tree] = []
        names: list[str | None] = []
        self.advance()
        self.inside += 1
        while not (self.kind == "symbol" and self.value == ")"):
            if arguments:
                if self.value != "," or self.kind != "symbol":
                    raise self.error("')' or ',' here")
                self.advance()
            argument, name = self.expression(2, depth + 1), None
            if self.kind == "symbol" and self.value == "=" and isinstance(argument, Name):
                self.advance()
                argument, name = self.expression(2, depth + 1), argument.name
            arguments.append(argument)
            names.append(name)
        self.close()
        self.inside -= 1
        return Call(function, tuple(arguments), tuple(names))

    def close(self) -> None:
        if self.kind != "symbol" or self.value != ")":
            raise self.error("')' here")
        self.advance()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL)
