"""Answers before anything long starts: would it build, how large, how fast, and why not."""

from planner.check import check
from planner.network_check import check_network
from planner.verdict import Answer, Verdict

__all__ = ["Answer", "Verdict", "check", "check_network"]
