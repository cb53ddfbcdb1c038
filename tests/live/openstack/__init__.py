"""A real OpenStack on one machine, as a fixture: installed, started, stopped and cleaned."""
