"""Looking over an installation: what is wrong, and how to mend it, for the terminal and the page *Check-up*."""
