"""Assertions, waiting with a bound, and the marks that a test function can carry."""
import functools
import os
import time


class Failure(AssertionError):
    """A broken expectation, with a text that says which."""


class Skip(Exception):
    """The test cannot run here; the text says why."""


# Sanitizer builds and slow machines: every time limit is multiplied by this.
_time_scale = float(os.environ.get("MYCELIUM_TEST_TIME_SCALE", "1"))


def scaled(seconds):
    return seconds * _time_scale


def scale_times(factor):
    global _time_scale
    _time_scale *= factor


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {shown(got)}, expected {shown(want)}")


def shown(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text)} characters)"


def wait_for(what, predicate, seconds=10.0, step=0.02):
    """Polls until predicate() is true and returns its value; fails with `what` after the time."""
    end = time.monotonic() + scaled(seconds)
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failure(f"did not happen within {scaled(seconds):g} s: {what}")
        time.sleep(step)


def retry_until(predicate, seconds, step=0.02):
    """As wait_for, but false instead of a failure."""
    try:
        return wait_for("", predicate, seconds, step)
    except Failure:
        return None


def limit(seconds):
    """The longest the test may take; the runner's default is 60 s."""
    def mark(function):
        function.limit_s = seconds
        return function
    return mark


def long_only(function):
    """Runs only with --long."""
    function.long_only = True
    return function


def needs_ours(function):
    """For behaviour that only our daemon has, and for input that goes to our own daemon only."""
    @functools.wraps(function)
    def wrapper(net):
        if not net.ours:
            raise Skip("the binary under test is not our daemon")
        return function(net)
    return wrapper


def needs_wire(function):
    """For tests that seal packets themselves."""
    @functools.wraps(function)
    def wrapper(net):
        try:
            import cryptography  # noqa: F401
        except ImportError:
            raise Skip("python3-cryptography is not installed") from None
        return function(net)
    return wrapper
