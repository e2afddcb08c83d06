/* SPDX-License-Identifier: MIT */
/*
 * `archerfish stacks': every Python stack of a target, with no client.
 */
#ifndef STUB_STACKS_H
#define STUB_STACKS_H

#include <stdbool.h>

#include "stub/base/buf.h"
#include "stub/target/target.h"

struct stacks_options {
	bool json;
	bool full;   /* columns, addresses, where C called */
	bool locals; /* the variables of each frame */
	bool color;  /* for a terminal */
};

/*
 * Appends the stacks of a stopped target to @out.  Nothing is printed here: a
 * reader that takes its time must not keep the target stopped.
 */
struct err *stacks_read(struct target *t, const struct stacks_options *o,
			struct buf *out) MUST_CHECK;

#endif
