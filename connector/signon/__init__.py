"""Reference, caller and call arguments become a sign-on plan."""
