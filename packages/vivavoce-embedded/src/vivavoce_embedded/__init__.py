"""The embedded engine: recognition and thinking without a key, a network or a download."""
