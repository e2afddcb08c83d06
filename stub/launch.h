/* SPDX-License-Identifier: MIT */
/* From the command line to a target, and the end of one. */
#ifndef STUB_LAUNCH_H
#define STUB_LAUNCH_H

#include "stub/options.h"
#include "stub/target/target.h"

/* Launches or attaches as @o says, and says so on stderr; with --multi there is nothing yet. */
struct err *target_open(const struct options *o, struct target **ret) MUST_CHECK;

/* Kills what we launched, detaches from what we attached to; says so on stderr. */
void target_close(struct target *t);

#endif
