"""Authentication and policy. Only sign-in and the health checks work without a credential."""
