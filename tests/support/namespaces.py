# SPDX-License-Identifier: Apache-2.0
"""Machines on one machine: network namespaces with an address each on a bridge; the cable of one can be pulled."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

NETWORK = "192.0.2"  # for documentation and tests (RFC 5737)


@dataclass(frozen=True)
class Host:
    """A network namespace and its address."""

    name: str
    address: str

    def command(self, *words: str) -> list[str]:
        """A command that runs there."""
        return ["ip", "netns", "exec", self.name, *words]

    def cut_off(self) -> None:
        """Take its interface down: nothing is refused, nothing is answered."""
        ip("-n", self.name, "link", "set", "eth0", "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def allowed() -> bool:
    """Whether this user may make network namespaces, and has iproute2."""
    try:
        return (
            os.getuid() == 0
            and subprocess.run(["unshare", "--net", "ip", "link"], capture_output=True).returncode == 0
        )
    except FileNotFoundError:
        return False


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Make namespaces on a bridge of their own, and remove them after the block."""
    mark = secrets.token_hex(2)
    found = [Host(f"ms{mark}-{number}", f"{NETWORK}.{number + 1}") for number in range(count)]
    with ExitStack() as stack:
        switch = f"ms{mark}-switch"  # the bridge is in a namespace, too: this machine's network is left alone
        ip("netns", "add", switch)
        stack.callback(ip, "netns", "delete", switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for number, host in enumerate(found):
            ip("netns", "add", host.name)
            stack.callback(ip, "netns", "delete", host.name)
            ip(
                "-n",
                switch,
                "link",
                "add",
                f"port{number}",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                host.name,
            )
            ip("-n", switch, "link", "set", f"port{number}", "master", "bridge", "up")
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", host.name, "link", "set", device, "up")
        yield found
