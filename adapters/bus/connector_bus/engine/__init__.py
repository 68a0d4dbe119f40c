"""The messaging engine: destinations, dispatch, delivery units, mediations and what happens to failures."""
