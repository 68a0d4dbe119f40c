"""The weather service (DEMO-1): three modules that know nothing of each other; configuration wires them.

`export` is the front that a client talks to, `route` the mediation that sends each request to its country's service,
`uk` a national service; `uk_rain` is another one, to show that a service is replaced by one line of TOML.
"""
