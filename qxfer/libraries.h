/* SPDX-License-Identifier: MIT */
/* What the list of shared libraries hangs on, for who looks for it by itself. */
#ifndef QXFER_LIBRARIES_H
#define QXFER_LIBRARIES_H

#include "stub/target/target.h"

/*
 * The address of the word of the program's DT_DEBUG entry in which ld.so leaves the
 * address of its struct r_debug (<link.h>).  ERR_NOT_FOUND: the program is statically
 * linked, without one.
 */
struct err *libraries_debug_slot(struct target *t, uint64_t *ret) MUST_CHECK;

/*
 * Where ld.so calls whenever its list changes (struct r_debug's r_brk), for debuggers to put
 * a breakpoint there; 0: it has not run yet.  ERR_NOT_FOUND as above.
 */
struct err *libraries_breakpoint(struct target *t, uint64_t *ret) MUST_CHECK;

#endif
