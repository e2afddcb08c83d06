/* SPDX-License-Identifier: MIT */
/*
 * `archerfish stacks': print every Python stack of a target, with no client.
 */
#ifndef STUB_STACKS_H
#define STUB_STACKS_H

#include <stdbool.h>
#include <stdio.h>

#include "stub/target/target.h"

struct stacks_options {
	bool json;
	bool full;  /* columns, addresses, where C called */
	bool color; /* @out is a terminal */
};

/*
 * Prints the stacks of a stopped target on @out.  Returns the exit status: 0, or
 * 1 if there is no Python or it cannot be read, as then said on stderr.
 */
int stacks_main(struct target *t, const struct stacks_options *o, FILE *out);

#endif
