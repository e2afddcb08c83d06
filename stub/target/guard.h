/* SPDX-License-Identifier: MIT */
/*
 * What takes the stub's traps out of a process if the stub is killed.
 *
 * A small process of its own waits for the stub's end, and writes back what lies under the
 * points that are there then.  It knows them by memory that it shares with the stub.  Whoever
 * ends as it should has none left.
 *
 * A thread that runs into a trap after the stub was killed and before it is out ends its
 * process with SIGTRAP: that is some 100 us, when nothing else wants the processor.
 */
#ifndef STUB_TARGET_GUARD_H
#define STUB_TARGET_GUARD_H

#include "stub/target/point.h"

struct guard;

/*
 * For points that points_share() was called of, and memory behind @mem_fd; both are the
 * caller's.  NULL: it could not be made, and nothing is watched.
 */
struct guard *guard_start(const struct points *ps, int mem_fd);
/* Ends it. */
void guard_stop(struct guard *g);

#endif
