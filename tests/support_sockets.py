"""Sockets that fail as the system lets them fail."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any


class ListenerWithoutDescriptors(socket.socket):
    """A listener whose process has no file descriptor left, for the first few times that something is accepted."""

    def __init__(self, times: int, family: int = socket.AF_INET) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.left = times

    __slots__ = ("left",)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept, once there are descriptors again."""
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()
