"""What people copy into their pages so that the browser agent is there: small, never in the way, of use before it is loaded."""

METHODS = (
    "initialize",
    "identify",
    "updateOptions",
    "track",
    "pageLoad",
    "reset",
    "optIn",
    "optOut",
    "flush",
    "getVisitorId",
    "teardown",
)
# Calls wait in _q until the agent has been loaded, and takes them over.
STUB = """\
!function (w, d, u) {
  var a = w.arrivals = w.arrivals || {_q: []}, s = d.createElement("script");
  "METHODS".split(" ").forEach(function (m) {
    a[m] = a[m] || function () { a._q.push([m, arguments]); };
  });
  s.async = 1; s.src = u; d.head.appendChild(s);
}(window, document, "HOST/agent.js");
"""
START = """\
arrivals.initialize({
  key: "KEY",
  visitor: {},  // signed in: {id: "user-1", email: "ada@example.com", plan: "pro"}
  account: {}   // and the company: {id: "acme", size: 50}
});
"""


def stub(host: str) -> str:
    """The JavaScript that loads the agent from ``host`` and queues calls until it is there."""
    return STUB.replace("METHODS", " ".join(METHODS)).replace("HOST", host)


def snippet(host: str, key: str) -> str:
    """The whole of it, as HTML for the head of a page."""
    return f"<script>\n{stub(host)}\n{START.replace('KEY', key)}</script>"


def element(host: str, key: str) -> str:
    """The same for pages whose content security policy allows no inline script."""
    return f'<script async src="{host}/agent.js" data-key="{key}"></script>'
