"""Configuration: TOML text, environment and overrides become one checked, frozen configuration, or one error.

Theory of operation
-------------------
`document` reads a file and `lines` tells where each key stands. `layers` puts descriptors, deployment, environment and
explicit overrides over each other and remembers in `origins` who said what. `model` and `application` (pydantic) check
the shape of the core's sections, `adapter_properties` that of what adapters declared in their `ra.toml`, and one module
of checks for each group of sections (`security_checks`, `login_checks`, `resource_checks`, `application_checks`) what
must hold between them. Each check only adds to the collected `problems`; `load` raises them all at once.
"""
