"""The host's side of the link: frames, transports, and boards to run networks on."""
