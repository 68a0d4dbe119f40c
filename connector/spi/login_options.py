"""What a login module's class may say of its options before any login: all of it may be left out (SIGN-4).

A module without options needs none of this. One whose options decide what it depends on narrows `depends_on` by them;
one that reads a file says when that has changed, so that its outcomes can be kept until then; and all mistakes in its
options are told at the start, not one by one to the callers.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

from connector.errors import Problem
from connector.spi.login import Dependency

#: The file of a `Problem` in the options themselves: the framework puts the configuration's file and line there.
IN_THE_OPTIONS = "configuration"


class OptionedLoginModule(Protocol):
    """The optional part of `LoginModule`; the framework looks for each method by its name.

    The class methods are asked without a login, from any thread, with the options of one login configuration; paths
    in them are absolute where a `mapper.toml` declares them as paths.
    """

    @classmethod
    def dependencies(cls, options: Mapping[str, Any]) -> frozenset[Dependency]:
        """What the outcome depends on with these options: a part of `depends_on`, which names the most.

        Anything that is no part of it makes the module be asked every time.
        """
        ...

    @classmethod
    def revision(cls, options: Mapping[str, Any]) -> Hashable:
        """What changes whenever something outside changes that the outcome depends on beyond `depends_on`.

        A kept outcome is good for the revision that was answered before it was made. Asked at each use of a kept
        outcome, so it must be quick: it may look at a file's date, and read the file where that is new. One that
        raises is taken for "unknown": nothing is kept.
        """
        ...

    @classmethod
    def mistakes(cls, options: Mapping[str, Any]) -> Sequence[Problem]:
        """All that is wrong with the options, or in the files that they name; never a secret. May block for the disk.

        A mistake in the options has `IN_THE_OPTIONS` for its file and a key path that starts at the options; one in a
        file has that file and its line.
        """
        ...

    def remarks(self) -> Sequence[str]:
        """How the last `login` came to its answer: for people, in words, never a secret."""
        ...
