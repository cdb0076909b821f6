"""Who may do what: one table, role -> permissions."""

SEE = "desk:see"
SEE_JOURNAL = "journal:see"
REQUEST_REFUND = "refund:request"
CANCEL_REFUND = "refund:cancel"
RESOLVE = "review:resolve"
APPROVE = "refund:approve"
MANAGE_PEOPLE = "people:manage"
SET_LIMITS = "limits:set"

_VIEWER = frozenset({SEE, SEE_JOURNAL})
_OPERATOR = _VIEWER | {REQUEST_REFUND, CANCEL_REFUND, RESOLVE}

PERMISSIONS: dict[str, frozenset[str]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "approver": _OPERATOR | {APPROVE},
    "admin": _OPERATOR | {APPROVE, MANAGE_PEOPLE, SET_LIMITS},
}

ROLES = tuple(PERMISSIONS)


def may(role: str, permission: str) -> bool:
    """Whether the role holds the permission; an unknown role holds none."""
    return permission in PERMISSIONS.get(role, frozenset())
