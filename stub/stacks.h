/* SPDX-License-Identifier: MIT */
/*
 * `archerfish stacks': every stack of Python, or of JavaScript, of a target, with no client.
 */
#ifndef STUB_STACKS_H
#define STUB_STACKS_H

#include <stdbool.h>

#include "qxfer/python_quotes.h"
#include "stub/base/buf.h"
#include "stub/target/target.h"

struct stacks_options {
	bool json;
	bool full;   /* columns, addresses, where C called */
	bool locals; /* the variables of each frame */
	bool native; /* C frames too, and threads without Python */
	bool locks;  /* instead of the stacks who waits for which lock */
	bool tasks;  /* asyncio's tasks instead */
	bool color;  /* for a terminal */
};

/* What was found before the process was stopped. */
struct stacks_found {
	struct python *python;
	struct v8 *v8;
	struct jit *jit;
	struct buf auxv; /* of the program that it was running then */
};

/*
 * Looks at the process @pid, which goes on, for what needs nobody to stand still: so
 * that the stop need not last as long.  Finding nothing is no error, stacks_read()
 * looks again.  Only ERR_NOMEM.
 */
struct err *stacks_prepare(pid_t pid, struct stacks_found *ret) MUST_CHECK;
void stacks_found_deinit(struct stacks_found *f);

/*
 * Appends the stacks of a stopped target to @out, and to @quotes the source lines
 * that belong into it.  @found: of the same process, or all zero.  Nothing is printed
 * here, and no source read: what takes its time must not keep the target stopped.
 */
struct err *stacks_read(struct target *t, struct stacks_found *found,
			const struct stacks_options *o, struct py_quotes *quotes,
			struct buf *out) MUST_CHECK;

#endif
