/* SPDX-License-Identifier: MIT */
/*
 * The commands of `monitor' (qRcmd), a row each.  h_monitor.c has those that are
 * not about a runtime, and runs them all; h_monitor_py.c has Python's.
 */
#ifndef STUB_MONITOR_H
#define STUB_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "stub/base/buf.h"
#include "stub/base/err.h"

struct session;

struct monitor {
	const char *name; /* one word or two */
	const char *args; /* as help shows them */
	const char *help; /* NULL: not in the list */
	bool ours;	  /* gdbserver has no such command */
	/*
	 * Appends what is to be printed.  @args: the rest of the line, no blanks
	 * around it.  ERR_UNSUPPORTED: not a command after all.
	 */
	struct err *(*run)(struct session *s, const char *args, struct buf *out);
};

extern const struct monitor monitor_python[];
extern const size_t monitor_npython;
extern const struct monitor monitor_breaks[];
extern const size_t monitor_nbreaks;
extern const struct monitor monitor_unwind[];
extern const size_t monitor_nunwind;
extern const struct monitor monitor_js[];
extern const size_t monitor_njs;
extern const struct monitor monitor_act[];
extern const size_t monitor_nact;
/* Whether the shown thread is where a client may call functions of Python; nothing without Python. */
void monitor_put_safety(struct session *s, struct buf *out);

#endif
