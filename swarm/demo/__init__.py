"""The demo: two agents and a person in one room, shown live and summed up."""
