"""Places: where files are fetched from and sent to. ``opening.opened`` gives the road to a saved one.

road       what every road to a place can do, its errors, and what a file may be called
folder     a folder of this machine, inside those that the operator allows
sftp       a server by SFTP; its host key is pinned
ftps       a server by FTP over TLS (RFC 4217)
https      an address that takes files by PUT or POST, or gives one by GET
mail       an attachment to somebody, through the outbox
place      the saved place, a row
opening    from the row to the road, with its secret
reach      which addresses may be used at all
tls        certificates that are checked, or pinned
"""
