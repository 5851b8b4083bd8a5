"""Meters, radios and files that speak the real bytes: the other side of every protocol Avläs reads.

Nothing here imports the decoder, and no table is shared with it, so that an error in one of the two is
not confirmed by the other. Start at ``meter`` (a meter that sends telegrams) or ``receivers`` (a radio
receiver that hands them to a host).
"""
