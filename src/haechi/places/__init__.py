"""Where a program runs: on this host, in a container, in a compose service, behind ssh."""
