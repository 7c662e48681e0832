"""A process and its lead: it asks for it, keeps it alive, and hears of its end."""

import logging
import threading
from functools import partial

from energy.logs import noted
from energy.store.engine import Store
from energy.store.errors import FenceError, StoreError
from energy.store.leader import LEASE_S, renew_lead, require_term, resign_lead, take_lead

log = logging.getLogger(__name__)

KEEPER_WAIT_S = 2.0
"""So long the thread that renews the lease is waited for; later it finds its lead dropped."""


class Leadership:
    """At most one process of a store leads at a time; it renews its lease in good time.

    `term` is that of the lead it holds; `is_over` is set when another process has taken over.
    """

    def __init__(self, store: Store, owner: str, lease_s: float = LEASE_S) -> None:
        self._store, self._owner, self._lease_s = store, owner, lease_s
        self._ending = threading.Event()
        self._keeper: threading.Thread | None = None
        self.term: int | None = None
        self.is_over = threading.Event()

    def take(self) -> Store | None:
        """The store as the leader writes to it, None while another one leads.

        Whatever is written through it is void once another process has taken over.
        """
        term = self._store.write(
            lambda connection: take_lead(
                connection, self._owner, self._lease_s, alone=self._store.is_sqlite
            )
        )
        if term is None:
            return None
        log.info("%s leads, term %d", self._owner, term)
        self.term, self._ending = term, threading.Event()
        self.is_over.clear()
        self._keeper = threading.Thread(target=self._keep, args=(term, self._ending), daemon=True)
        self._keeper.start()
        return self._store.guarded(partial(require_term, term=term))

    def drop(self) -> None:
        """Lead no more; the next one may begin at once."""
        term, self.term = self.term, None
        self._ending.set()
        if self._keeper is not None:
            # Whoever drops it holds up the loop, and a keeper may hang on a store that is gone.
            self._keeper.join(KEEPER_WAIT_S)
        self.is_over.clear()
        if term is None:
            return
        try:
            self._store.write(partial(resign_lead, term=term))
        except FenceError:
            log.info("term %d was over already", term)
        except StoreError as error:
            log.warning("term %d ends by its lease: %s", term, error)

    def _keep(self, term: int, ending: threading.Event) -> None:
        with noted(term=term):
            while not ending.wait(self._lease_s / 3):
                try:
                    self._store.write(partial(renew_lead, term=term, lease_s=self._lease_s))
                except FenceError as error:
                    log.warning("%s", error)
                    if not ending.is_set():  # else it is about a lead that was dropped already
                        self.is_over.set()
                    return
                except StoreError as error:
                    log.warning("the lease is not renewed: %s", error)
