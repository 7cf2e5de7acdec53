"""`python -m vivavoce` is `vivavoce`."""

from .cli.main import main

main()
