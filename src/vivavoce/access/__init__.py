"""Who may do what: keys, client secrets, sign-in links. Nothing is open without a credential."""
