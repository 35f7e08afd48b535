"""Scripts that start jobs → the text of a manifest, by harvest: every call is found, whatever stands around it.

`read` cleans the text and finds its language; `bash`, `powershell` and `batch` walk over it and hand each command to
`calls`; `curl`, `rest`, `aft` and `body` read what a call sends; `emit` writes the manifest. Nothing is ever run. What
only running would tell becomes a reference that a person fills in, and everything that is not taken as it stood is
said at its line. Pure but for files that a command itself names (`-d @body.json`).
"""
