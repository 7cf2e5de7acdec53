"""Servers to test adapters against, without a provider: `pip install vivavoce[testing]`."""
