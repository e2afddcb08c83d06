/* SPDX-License-Identifier: MIT */
/*
 * `archerfish stacks': every Python stack of a target, with no client.
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

/*
 * Appends the stacks of a stopped target to @out, and to @quotes the source lines
 * that belong into it.  Nothing is printed here, and no source read: what takes its
 * time must not keep the target stopped.
 */
struct err *stacks_read(struct target *t, const struct stacks_options *o, struct py_quotes *quotes,
			struct buf *out) MUST_CHECK;

#endif
