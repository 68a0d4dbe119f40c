"""Placing the mistakes that an adapter finds in its own sections: it knows the key path, the file and line are ours."""

from __future__ import annotations

from dataclasses import replace

from connector.container.configuration.settings import ContainerConfiguration
from connector.errors import ConfigError

#: What an adapter gives as the file of a problem, since it knows none.
UNPLACED = "configuration"


def placed(error: ConfigError, configuration: ContainerConfiguration) -> ConfigError:
    """The same error with file and line of each mistake; an error without a list of mistakes comes back as it is."""
    if not error.problems:
        return error
    problems = []
    for problem in error.problems:
        if problem.file == UNPLACED:
            place = configuration.origins.of_shown(problem.key_path)
            problem = replace(problem, file=place.file, line=place.line)
        problems.append(problem)
    return ConfigError.of(tuple(problems))
