"""The grammar of selectors (Jakarta Messaging 3.1, 3.8.1): what may stand in one, as text for the parser library.

Keywords are not case-sensitive, identifiers are. `-` before a number belongs to the expression, not to the literal. A
bracketed condition is a condition and a bracketed sum is a sum; which one a bracket opens, the parser finds out by what
stands in it, so both are one kind of node here. Likewise IN, LIKE and IS NULL take any sum here, and the compiler
refuses all but identifiers.
"""

from __future__ import annotations

from typing import Final

GRAMMAR: Final = r"""
?start: disjunction

?disjunction: conjunction ("OR"i conjunction)*
?conjunction: negation ("AND"i negation)*
?negation: "NOT"i negation                                        -> not_
         | predicate

?predicate: sum
          | sum COMPARISON sum                                    -> comparison
          | sum NOT? "BETWEEN"i sum "AND"i sum                    -> between
          | sum NOT? "IN"i "(" STRING ("," STRING)* ")"           -> in_
          | sum NOT? "LIKE"i STRING ("ESCAPE"i STRING)?           -> like
          | sum "IS"i NOT? "NULL"i                                -> is_null

?sum: product (ADDITIVE product)*
?product: unary (MULTIPLICATIVE unary)*
?unary: "-" unary                                                 -> minus
      | "+" unary                                                 -> plus
      | atom

?atom: STRING                                                     -> text
     | HEX                                                        -> hex_number
     | FLOAT                                                      -> broken_number
     | INTEGER                                                    -> whole_number
     | "TRUE"i                                                    -> true
     | "FALSE"i                                                   -> false
     | IDENTIFIER                                                 -> identifier
     | "(" disjunction ")"

NOT: "NOT"i
COMPARISON: "<>" | "<=" | ">=" | "=" | "<" | ">"
ADDITIVE: "+" | "-"
MULTIPLICATIVE: "*" | "/"
STRING: /'(?:[^']|'')*'/
HEX.3: /0[xX][0-9a-fA-F]+[lL]?/
FLOAT.2: /(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?|[0-9]+[eE][+-]?[0-9]+[fFdD]?|[0-9]+[fFdD]/
INTEGER: /[0-9]+[lL]?/
IDENTIFIER: /(?!(?:NOT|AND|OR|BETWEEN|LIKE|IN|IS|ESCAPE|NULL|TRUE|FALSE)\b)[^\W\d]\w*(?:\.\w+)*|[$_][\w$.]*/i

%ignore /\s+/
"""
