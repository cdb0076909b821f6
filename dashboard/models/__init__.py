"""Tables and constraints, one file a family. No verbs live here.

`Base` from here has them all in its metadata.
"""

from dashboard.db import Base
from dashboard.models.approvals import Approval, RefundLimit
from dashboard.models.collector import Collector
from dashboard.models.exports import Export
from dashboard.models.factors import AuthenticatorApp, FactorReset, HalfSignIn, Passkey, RecoveryCode
from dashboard.models.federated import FederatedIdentity, KeptForm
from dashboard.models.installation import Installation, LiveViewers, WorkerBeat
from dashboard.models.journal import JournalEntry, JournalHead
from dashboard.models.links import Link
from dashboard.models.mails import Mail
from dashboard.models.notices import Notice
from dashboard.models.people import Guess, Person, SignIn
from dashboard.models.refunds import Anomaly, Attempt, Refund, RefundCount
from dashboard.models.resolutions import Resolution
from dashboard.models.search import SearchTerm
from dashboard.models.sessions import Payment, PaymentSession
from dashboard.models.views import OpenForm, SavedView
from dashboard.models.webhooks import WebhookDelivery

__all__ = [
    "Anomaly",
    "Approval",
    "Attempt",
    "AuthenticatorApp",
    "Base",
    "Collector",
    "Export",
    "FactorReset",
    "FederatedIdentity",
    "Guess",
    "HalfSignIn",
    "Installation",
    "JournalEntry",
    "JournalHead",
    "KeptForm",
    "Link",
    "LiveViewers",
    "Mail",
    "Notice",
    "OpenForm",
    "Passkey",
    "Payment",
    "PaymentSession",
    "Person",
    "RecoveryCode",
    "Refund",
    "RefundCount",
    "RefundLimit",
    "Resolution",
    "SavedView",
    "SearchTerm",
    "SignIn",
    "WebhookDelivery",
    "WorkerBeat",
]
