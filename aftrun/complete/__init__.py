"""Shell completion: what a shell asks at every press of TAB, answered before anybody notices.

It shares no code with the rest: importing typer, the loader and the record would take longer than a person waits for a
key. What commands and flags there are stands in `table.py`, which is generated. It starts nothing, sends nothing,
reads no variable of the environment but those that say where runs are recorded and where home is, and stays silent
about whatever goes wrong.
"""
