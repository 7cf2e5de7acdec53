"""Contract suites: the rules for adapters, tool runners and transports, as checks.

A suite is a tuple of checks. A check takes the case of an adapter and fails by an assertion. A test
file of a package joins in a few lines:

    VOICE = voice.Case(lambda: made(my_package.spec))

    @pytest.mark.parametrize("check", voice.CHECKS)
    def test_my_voice_keeps_the_contract(check: voice.Check) -> None:
        check(VOICE)
"""

import pytest

KINDS = ("brain", "embedder", "recogniser", "tool", "transport", "voice")

# Show the values in a failed assertion, as pytest does in test files.
pytest.register_assert_rewrite(*(f"{__name__}.{kind}" for kind in KINDS))
