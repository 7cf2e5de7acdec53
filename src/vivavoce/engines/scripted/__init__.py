"""An engine that does what a script says: for tests and demonstrations, without any model."""
