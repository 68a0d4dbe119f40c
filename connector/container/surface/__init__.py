"""The container's public face, `Container`, by subjects: each a class of thin methods over the parts that do it."""
