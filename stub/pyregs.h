/* SPDX-License-Identifier: MIT */
/* Python's registers of a session's threads; which there are: qxfer/pyregs.h. */
#ifndef STUB_PYREGS_H
#define STUB_PYREGS_H

#include "qxfer/pyregs.h"
#include "stub/session.h"

/* Whether register @n, as target.xml numbers them, is one; *which is set if so. */
bool pyregs_find(const struct session *s, uint64_t n, enum pyreg *which);

/*
 * While all is stopped.  @tid may be a virtual thread.  0 where there is no Python;
 * ERR_NOT_FOUND: not to be known.
 */
struct err *pyregs_read(struct session *s, pid_t tid, enum pyreg which, uint64_t *ret) MUST_CHECK;

/*
 * The same of a thread that has hit a breakpoint while others run.  Looks at no other
 * thread's frames, and at no mappings unless they tell of no Python.
 */
struct err *pyregs_read_hit(struct session *s, const struct target_hit *hit, enum pyreg which,
			    uint64_t *ret) MUST_CHECK;

#endif
