"""A changed configuration put in force while the container runs: all of it that can be live, or nothing (CONF-8).

Theory of operation
-------------------
`reload` compares the configuration in force with a new one that has been checked. Each part says in *steps* what is to
be done, each step with its reverse (`steps`): new adapters and adapters' own sections (`adapter_changes`), resources
(`resource_changes`), then applications with their references, roles and handlers (`application_changes`). The steps are
made in that order; where one fails those before it are taken back, and the error goes on. What no step can change is
left as it was started and reported: it waits for a restart.
"""
