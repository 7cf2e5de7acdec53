"""The client of hosted realtime models, and of any other server that speaks the protocol."""
