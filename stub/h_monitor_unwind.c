/* SPDX-License-Identifier: MIT */
/* `monitor bt' and what has to do with code that has no unwind tables. */
#include <stdio.h>
#include <string.h>

#include "qxfer/jit_regions.h"
#include "qxfer/python.h"
#include "stub/codelib.h"
#include "stub/monitor.h"
#include "stub/session.h"

static struct err *run_regions(struct session *s, const char *args, struct buf *out)
{
	const struct space *space;
	if (*args)
		return err_new(ERR_UNSUPPORTED, "unwind-regions takes no argument");
	if (!s->jit)
		return err_new(ERR_STATE, "unwind tables are switched off");
	struct err *err = target_space(s->target, &space);
	return err ? err : jit_regions_text(s->jit, space, out);
}

/* As py-bt native: where there is no Python, its frames are C's alone. */
static struct err *run_bt(struct session *s, const char *args, struct buf *out)
{
	char how[256];
	struct python_view view = { .py = s->python, .tid = session_shown_thread(s) };
	if (!s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (snprintf(how, sizeof(how), "native %s", args) >= (int)sizeof(how))
		return err_new(ERR_BAD_DATA, "bt takes all, full, or a thread");
	struct err *err = target_space(s->target, &view.space);
	return err ? err : python_bt_text(&view, how, out);
}

static struct err *run_set_tables(struct session *s, const char *args, struct buf *out)
{
	bool on = strcmp(args, "on") == 0;

	if (!on && strcmp(args, "off") != 0)
		return err_new(ERR_UNSUPPORTED, "neither on nor off");
	if (!s->codelib)
		return err_new(ERR_STATE, "there is no memory for unwind tables");
	codelib_switch(s, on);
	buf_printf(out,
		   "Libraries that unwind code without tables are %s, from the next list on.\n",
		   args);
	return NULL;
}

const struct monitor monitor_unwind[] = {
	{ "bt", "[all] [full] [THREAD]",
	  "Print the stack with its C frames, also through code without unwind tables", true,
	  run_bt },
	{ "set unwind-tables", "<on|off>",
	  "Give the debugger libraries that unwind code without tables", true, run_set_tables },
	{ "unwind-regions", "", "List the code that no unwind table covers", true, run_regions },
};
const size_t monitor_nunwind = sizeof(monitor_unwind) / sizeof(monitor_unwind[0]);
