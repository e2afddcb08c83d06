/* SPDX-License-Identifier: MIT */
/* `archerfish exec' and `archerfish pdb': acting on a process with no debugger at hand. */
#ifndef STUB_ACT_CLI_H
#define STUB_ACT_CLI_H

#include "stub/options.h"

/* The exit status: 0 it ran; 1 it raised, or was cancelled; 2 it could not be run. */
int act_cli_exec(const struct options *o);
/*
 * pdb in the main thread, at our terminal: 0 it was left; 2 it could not be had.  Ctrl-C while the
 * program runs interrupts it there again.
 */
int act_cli_pdb(const struct options *o);

#endif
