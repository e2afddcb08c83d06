/* SPDX-License-Identifier: MIT */
/*
 * Where a thread's copy of a thread-local variable is, without libthread_db: that asks
 * for symbols of the debugger's client, and wants the inferior's C library to be its own.
 *
 * What a module's block is, its link_map says, in a part that <link.h> does not show.  It
 * is found by what must be in it: the address, sizes and alignment of the module's
 * PT_TLS segment, one after the other (glibc, include/link.h, l_tls_initimage and what
 * follows it; musl, ldso/dynlink.c, struct dso, tls and tls_id).  Where the program headers
 * cannot be read, glibc's _thread_db_ symbols say it (nptl_db/structs.def), as they do
 * to libthread_db.  Both are x86-64's: TLS variant II of "ELF Handling For Thread-Local
 * Storage".
 */
#ifndef STUB_TLS_H
#define STUB_TLS_H

#include "stub/base/space.h"

/*
 * The variable at @offset in the block of the module with link_map @lm, or of the program
 * if that is 0 (a static one has no link_map), of the thread with thread pointer @tp.
 * ERR_NOT_FOUND: there is none (yet), in words.
 */
struct err *tls_address(const struct space *s, uint64_t tp, uint64_t lm, uint64_t offset,
			uint64_t *ret) MUST_CHECK;

#endif
