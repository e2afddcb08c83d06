/* SPDX-License-Identifier: MIT */
/*
 * The native stack of a thread: what its C frames are, from the registers and by
 * the tables that compilers leave for exceptions (.eh_frame).
 *
 * Where there is no table, that of qxfer/jit/jit.h serves, which is made from the code.
 * Nothing is guessed: where none says how to go on the stack ends, and the text says at
 * which address.
 */
#ifndef QXFER_UNWIND_NATIVE_H
#define QXFER_UNWIND_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stub/base/err.h"
#include "stub/base/space.h"

#define NATIVE_FRAMES_MAX   300000u /* of one thread */
/*
 * How much is read of tables for one stack (cfi_source.left): so much, and so much more
 * for each of its first frames.  A real frame takes some hundred, and is remembered.
 */
#define NATIVE_TABLES	    (1u << 18)
#define NATIVE_TABLES_FRAME (1u << 11)
#define NATIVE_TABLES_MAX   (1u << 24)

struct native_frame {
	uint64_t pc;
	uint64_t sp; /* [sp, cfa): the frame on the stack, without what it passed to its callee */
	uint64_t
		cfa; /* canonical frame address; 0: not known (the last frame of a stack cut off) */
	uint64_t start; /* where its unwind description begins: mostly the function; 0: none */
	struct space_regs regs; /* as they are in this frame, as far as known */
	bool exact;	    /* pc is where it was interrupted, not where a call will return to */
	bool signal;	    /* the kernel's way back from a signal handler */
	int made;	    /* an enum jit_kind: unwound by the code itself; -1: by a table */
	const char *module; /* path of the file, NULL: the code is not of a file */
	uint64_t module_offset; /* pc as an address in that file */
	const char *symbol;	/* the function's name, or NULL; lent until the next stop */
	uint64_t offset;	/* pc minus the function's start; with a symbol only */
};

struct native_stack {
	const struct native_frame *frames; /* innermost first */
	size_t n;
	const char *cut; /* why it ends before the thread's outermost frame, or NULL */
};

struct jit;

/* What is kept between stops: images, their names, and how to unwind where we were. */
struct native;

struct err *native_create(struct native **ret) MUST_CHECK;
void native_destroy(struct native *nt);
/* For code that no table describes; borrowed, NULL: the stack ends there. */
void native_set_jit(struct native *nt, struct jit *jit);

/*
 * The stack of thread @tid, which must be stopped.  Only ERR_NOMEM: a stack that
 * cannot be followed says so in ret->cut.  Lent by @nt until the next call.
 */
struct err *native_walk(struct native *nt, const struct space *s, pid_t tid,
			struct native_stack *ret) MUST_CHECK;

#endif
