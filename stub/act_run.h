/* SPDX-License-Identifier: MIT */
/*
 * One script from beginning to end: put in, run, waited for, cancelled if it takes too
 * long, and everything taken out again.
 */
#ifndef STUB_ACT_RUN_H
#define STUB_ACT_RUN_H

#include "stub/act.h"

/* How the process is let go and stopped: that is another matter for each caller. */
struct act_ways {
	/* It is stopped, and shall go on. */
	struct err *(*release)(void *arg);
	/* It goes on, and shall be stopped: *ret is what it then is. */
	struct err *(*regain)(void *arg, struct target **ret);
	/* Waits so long; true: the user wants an end of it. */
	bool (*pause)(void *arg, unsigned int ms);
	void *arg;
};

struct act_outcome {
	enum act_end end;
	unsigned int took_ms;
	struct buf text;   /* a traceback, or empty */
	struct buf output; /* what it printed, if that was to be captured */
};

void act_outcome_deinit(struct act_outcome *o);

struct act_run {
	const struct act_ways *ways;
	struct act act;
	struct target *target; /* in: stopped; NULL while it goes on */
	struct python *python;
	struct act_job job;
	unsigned int limit_ms; /* after so long it is cancelled */
};

/*
 * Runs the job; the process may be going on or be stopped afterwards, as `target' says.
 * An error says what became of the script, and what of ours is left in the process.
 */
struct err *act_run(struct act_run *run, struct act_outcome *ret) MUST_CHECK;

#endif
