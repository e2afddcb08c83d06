/* SPDX-License-Identifier: MIT */
/*
 * Code that no table describes and that is known by its bytes.  None of it is
 * guessed: each piece is the source of a C library's or of CPython's, to the byte.
 */
#ifndef QXFER_UNWIND_CODE_H
#define QXFER_UNWIND_CODE_H

#include "qxfer/unwind/cfi.h"
#include "qxfer/unwind/native.h"

enum code_kind {
	CODE_UNKNOWN,
	CODE_ROW,	/* a row as a table would give it */
	CODE_SIGNAL,	/* the way back from a signal handler: code_leave_signal() */
	CODE_OUTERMOST, /* it has no caller */
};

/* What frame @f is in.  @table: of the image that it is in, NULL: it is in none. */
enum code_kind code_known(struct cfi_source *s, const struct cfi_table *table,
			  const struct native_frame *f, struct cfi_row *row);

/*
 * Of a frame at an address where nothing can have run: whether it was called, which put the
 * return address where the stack pointer points.  Then @row is how to go on.
 */
bool code_was_called(struct mem *m, const struct native_frame *f, struct cfi_row *row);

/* Makes of the registers in the signal's frame those of what was interrupted. */
struct err *code_leave_signal(struct mem *m, struct space_regs *regs) MUST_CHECK;

#endif
