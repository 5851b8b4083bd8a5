"""Machines that turn a receiver's bytes into telegrams, without touching any device.

A driver is fed bytes and gives back frozen events; it never opens, reads or waits for anything and
never looks at a clock (see ``heard.Driver``). Opening ports, reconnecting and time belong to
``avlas.collect.receiver``, so each driver is tested with plain bytes.
"""
