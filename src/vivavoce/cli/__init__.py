"""The command line. One module a command; `main` gathers them."""
