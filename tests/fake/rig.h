/* SPDX-License-Identifier: MIT */
/*
 * A whole stub without a socket or a process: a session over the fake target,
 * for whoever wants to throw things at it.  Its files are those of a directory,
 * whatever it is asked.
 */
#ifndef TESTS_FAKE_RIG_H
#define TESTS_FAKE_RIG_H

#include "tests/fake/fake_target.h"
#include "tests/fake/wire.h"

struct rig {
	struct fake fake;
	struct session s;
	struct options options;
	int root; /* of its files; -1: none are served */
};

/* @root: a directory, borrowed; or -1.  The process has threads, memory and a few stops to go. */
void rig_init(struct rig *r, int root);
void rig_deinit(struct rig *r);

/* The client leaves and another comes. */
void rig_reconnect(struct rig *r);

/* What the inferior does is let happen until it has stopped. */
void rig_settle(struct rig *r);

#endif
