/* SPDX-License-Identifier: MIT */
/*
 * The condition of a Python breakpoint, evaluated while the process runs: the thread of
 * the hit is stopped, others are not.
 */
#ifndef STUB_PYCHECK_H
#define STUB_PYCHECK_H

#include "qxfer/python/python.h"
#include "stub/pybreak.h"

struct pycheck;

/* ERR_BAD_DATA: @text is no condition. */
struct err *pycheck_create(struct python *py, const char *text, struct pycheck **ret) MUST_CHECK;
void pycheck_destroy(struct pycheck *c);

/*
 * To be called once for each code object that it will be asked about, while the process is
 * stopped: what can be looked up beforehand is.
 */
struct err *pycheck_prepare(struct pycheck *c, struct target *t, uint64_t code) MUST_CHECK;

/* A pybreak_condition.  What cannot be evaluated holds, and pycheck_error() says why. */
bool pycheck_holds(void *check, struct target *t, const struct pybreak_hit *hit);

/* Why it could not be evaluated the last time, or NULL. */
const char *pycheck_error(const struct pycheck *c);

#endif
