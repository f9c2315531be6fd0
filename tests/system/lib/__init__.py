"""The harness of the system tests: daemons, raw peers, relays and the runner."""
from . import spaces
from .binary import is_ours, reference, under_test
from .check import (Failure, Skip, check, check_equal, limit, long_only, needs_ours, needs_wire,
                    retry_until, scaled, wait_for)
from .net import Net
from .node import Node
from .relay import Relay

__all__ = ["Failure", "Net", "Node", "Relay", "Skip", "check", "check_equal", "is_ours", "limit",
           "long_only", "needs_ours", "needs_wire", "reference", "retry_until", "scaled",
           "spaces", "under_test", "wait_for"]
