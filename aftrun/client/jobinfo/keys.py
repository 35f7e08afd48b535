"""Names of fields that are looked for in an object, flat as `View` compares them: lower case, without `_` and `-`."""

from __future__ import annotations

ENVELOPES = ("job", "jobinfo", "data", "result")
IDS = ("id", "jobid", "uuid", "guid", "jobuuid", "jobguid")
STATUSES = ("status", "state", "jobstatus", "jobstate", "phase", "currentstatus", "currentstate", "runstatus")
LABELS = ("name", "value", "label", "text")
"""For `{"status": {"name": "Running", "code": 2}}`."""
EXIT_CODES = ("exitcode", "returncode", "exitstatus", "processexitcode", "scriptexitcode", "rc")
"""Not `code`: that is as often the number of a state, or an HTTP status."""
ERROR_CODES = ("errorcode", "resultcode")
"""Numbers that deny a success when they are not zero, and prove nothing when they are."""
INNER = (*ENVELOPES, "execution", "run", "process", "outcome", "response", "summary", "output")
"""Objects of a job that may tell how it went."""
OUTRIGHT = ("error", "errors", "errormessage", "errortext")
"""Errors that deny any word for success. The others may be left from an earlier try."""
ERRORS = ("error", "errormessage", "errors", "errortext", "failurereason", "exception", "lasterror")
STARTS = ("startedat", "starttime", "started", "startdate", "startedon", "start")
ENDS = (
    *("endedat", "endtime", "ended", "enddate", "endedon", "end", "finishedat", "finishtime", "finished"),
    *("finishedon", "completedat", "completiontime", "completed", "completedon", "stoppedat", "terminatedat"),
)
VERDICTS = ("conclusion", "outcome", "resultstate", "finalstatus", "completionstatus")
"""Beside a state that says "over", these say how."""
PERHAPS_VERDICT = "result"
"""May be one too, or plain data: only words for a bad end count."""
YES = ("success", "succeeded", "successful", "issuccess", "issuccessful", "ok")
"""Flags that deny a success when false. When true they prove nothing: they are often about the request."""
NO = ("failed", "isfailed", "failure", "iserror", "haserror", "haserrors", "error", "faulted", "timedout")
CANCELLED = ("cancelled", "canceled", "iscancelled", "iscanceled", "aborted", "killed")
GOING_ON = ("running", "isrunning", "inprogress")
OVER = ("finished", "isfinished", "done", "isdone", "completed", "iscompleted", "ended")
LISTS = ("jobs", "joblist", "jobinfos")
"""Lists of jobs."""
MESSAGES = ("message", "statusmessage", "statustext", "reason", "detail", "details", "description")
TITLES = ("message", "error", "errormessage", "title", "msg")
DETAILS = ("humanreadable", "errordescription", "detail", "details", "reason", "description", "causedby")
CAUSES = ("errors", "causes")
"""Of an error's body: what it is, more about it, and lists of either."""

# What stands above, so that nothing can be forgotten.
ALL = frozenset(name for names in list(globals().values()) if isinstance(names, tuple) for name in names)
