"""The command ``pillarbox check``, a module for each of its subcommands."""
