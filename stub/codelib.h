/* SPDX-License-Identifier: MIT */
/*
 * Unwind tables for code that has none, as a stock debugger takes them: two more shared objects in its
 * list (qxfer/jit/image.h), one of what never changes and one of what is compiled, which has
 * another name each time it has changed.
 *
 * Only for processes that have anonymous executable memory.  Others have gaps too, in their C library
 * for one, which debuggers know how to cross; they pay nothing here.
 */
#ifndef STUB_CODELIB_H
#define STUB_CODELIB_H

#include "stub/session.h"

/* Where the headers of these objects are said to lie: addresses that no process has. */
#define CODELIB_BASE 0x7e5000000000ull
#define CODELIB_END  0x7e6000000000ull

struct codelib;

struct err *codelib_create(bool on, struct codelib **ret) MUST_CHECK;
void codelib_destroy(struct codelib *c);

/* Another client: it has not read any. */
void codelib_opened(struct codelib *c);
bool codelib_is_on(const struct session *s);
void codelib_switch(struct session *s, bool on);

/* Appends elements `library' of this stop; the client has read them then. */
void codelib_put(struct session *s, uint64_t lmid, struct buf *out);
/* A new descriptor of a file that was put; -1: @path is none. */
int codelib_open_file(struct session *s, const char *path);
/* At a stop: whether the client that has read them would find others now. */
bool codelib_has_news(struct session *s);

#endif
