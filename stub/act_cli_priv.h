/* SPDX-License-Identifier: MIT */
/* What `archerfish exec' and `archerfish pdb' share. */
#ifndef STUB_ACT_CLI_PRIV_H
#define STUB_ACT_CLI_PRIV_H

#include <signal.h>

#include "stub/act_cli.h"
#include "stub/act_run.h"

struct act_cli {
	pid_t pid;
	struct target *target; /* NULL: it goes on */
	sigset_t ends;	       /* signals by which the user says that it is enough */
};

/* Says so; the exit status. */
int act_cli_fail(struct err *err);
/* For struct act_ways, whose `arg' is a struct act_cli. */
struct err *act_cli_release(void *arg);
struct err *act_cli_regain(void *arg, struct target **ret);
void act_cli_block_ends(sigset_t *ret);
/* Attaches, runs the job, and lets the process go. */
struct err *act_cli_run(struct act_cli *c, struct act_run *r, struct act_outcome *o) MUST_CHECK;

#endif
