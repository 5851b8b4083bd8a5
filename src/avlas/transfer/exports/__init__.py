"""Exports: files for other programs, built by the user, made once or by a job, sent and kept.

layout      what a file looks like: columns, order, signs, dates, encoding; as JSON and back
formatting  cells become text, text becomes bytes; pure
catalogue   every column there is to choose from
spans       which meter, place and customer a row is about, from when to when
values      counters at moments and over intervals, exact in the unit wanted
means       momentary values over intervals
rows        the rows of a file, one after the other
ready_made  the formats that Avläs comes with
template    a layout saved by a utility
receipt     what was made and sent, with the file itself, kept for seven years
making      from a layout and a period to a kept file
sending     from a kept file to a place, never twice
periods     yesterday, last month, since last time
job         all of it regularly
"""
